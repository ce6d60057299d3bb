"""A table that was maintained is whole too: files merged, the log cut, rows past the retention removed."""

import datetime as dt

import pytest
from deltalake import DeltaTable

from headrace.config import load
from headrace.config.consumers import Dataset
from headrace_consumers.dataset.upkeep import cleanup
from headrace_consumers.dataset.upkeep.maintenance import Maintenance
from headrace_consumers.fates import trace, why
from headrace_consumers.verification import verify
from tests.support.committing import CommitPath
from tests.support.interactions import NOW_MS, interaction, message_of

NOW = dt.datetime.fromtimestamp(NOW_MS / 1000, dt.UTC)
COMMITS = 130


@pytest.fixture
def member(tmp_path):
    """A member's folder with a table of many small commits; the consumer has ended."""
    folder = tmp_path / "state" / "member-0"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    path = CommitPath(folder)
    for n in range(COMMITS):
        path.commit([message_of(interaction(f"question {n}", event_id=f"event-{n}"), n)])
    path.close()
    return folder


def maintain(member, days):
    now = NOW + dt.timedelta(days=days)
    Maintenance(member / "table", Dataset(), now=lambda: now, clock=lambda: days * 86_400.0).run()


def config(member):
    return load(None, {"dataset": {"path": str(member / "table"), "state_path": str(member.parent)}}, {})


def test_merged_files_and_a_log_that_was_cut(member, monkeypatch):
    monkeypatch.setattr(cleanup, "KEPT_ENTRIES", 10)
    maintain(member, 0)
    maintain(member, 30)
    assert len(DeltaTable(str(member / "table")).file_uris()) == 1
    assert not (member / "table" / "_delta_log" / f"{0:020}.json").exists()
    found = {result.check: result for result in verify(config(member), full=True)}
    assert {check: result.state for check, result in found.items() if result.state != "ok"} == {"Kafka": "note"}
    assert found["keys"].what.startswith(f"{COMMITS} rows")
    assert found["commits"].what.startswith("the last ")
    loss = why(config(member), interaction()["signature"], last=10, commits=10_000)
    assert loss.rows == COMMITS
    assert 0 < loss.committed.kept < COMMITS
    (traced,) = trace(config(member), f"event-{COMMITS - 1}", last=10).records
    assert traced.commit is not None
    assert (member / "table" / traced.fate.row.file).exists()
    (early,) = trace(config(member), "event-0", last=10).records
    assert early.commit is None


def test_rows_past_the_retention_are_no_fault(member):
    maintain(member, 200)
    states = {result.check: result.state for result in verify(config(member))}
    assert "wrong" not in states.values()
    assert trace(config(member), "event-0", last=10).records == []
