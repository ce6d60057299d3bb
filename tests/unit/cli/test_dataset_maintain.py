"""`headrace dataset maintain`: what was done, in figures; killed anywhere, nothing is lost."""

import json
import os

import polars as pl
import pytest
from deltalake import DeltaTable

from headrace_consumers.dataset.delta.files import write_files
from headrace_consumers.dataset.delta.moves import Move
from headrace_consumers.dataset.delta.rows import to_rows
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.feedback.rows import FEEDBACK
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.sightings import SIGHTINGS
from headrace_consumers.dataset.sightings_table import SightingsTable
from tests.support import warm
from tests.support.interactions import interaction, kept, message_of


@pytest.fixture
def path(tmp_path):
    """A table of twelve small files."""
    table = InteractionTable(tmp_path / "t")
    for offset in range(12):
        record = interaction(str(offset))
        rows = to_rows(kept([record], [message_of(record, offset)]), "topic", "id")
        table.commit(write_files(table.store, rows, table.layout), [Move("id/0", offset or None, offset + 1)])
    table.close()
    return tmp_path / "t"


def offsets(path):
    return sorted(pl.scan_delta(str(path)).select("offset").collect()["offset"])


def test_it_says_what_it_did(command, config_file, path):
    config = config_file({"dataset": {"path": str(path)}})
    lines = command("dataset", "maintain", "--config", config).out.splitlines()
    assert lines[0].split() == ["files", "merged", "12", "into", "1"]
    assert lines[-1].split() == ["files", "in", "the", "table", "1"]
    assert command("dataset", "maintain", "--config", config, "--json").json["files_merged"] == 0
    assert offsets(path) == list(range(12))


def test_the_tables_beside_the_dataset_are_maintained_too(command, config_file, path):
    beside = InteractionTable(path.with_name("t-sightings"), SIGHTINGS)
    for offset in range(12):
        copies = Messages.of([message_of(interaction("0"), 100 + offset)])
        SightingsTable(beside, Source("topic", "id", 1)).add(copies, {0: 101 + offset})
    beside.close()
    config = config_file({"dataset": {"path": str(path)}})
    done = command("dataset", "maintain", "--config", config, "--json").json
    assert (done["files_merged"], done["sightings"]["files_merged"], "feedback" in done) == (12, 12, False)
    assert offsets(beside.path) == list(range(100, 112))
    lines = command("dataset", "maintain", "--config", config).out.splitlines()
    assert "sightings" in lines


def test_feedback_that_was_kept_elsewhere_is_maintained_too(command, config_file, path, tmp_path):
    InteractionTable(tmp_path / "said", FEEDBACK).close()
    config = config_file({"dataset": {"path": str(path), "feedback_path": str(tmp_path / "said")}})
    assert "feedback" in command("dataset", "maintain", "--config", config, "--json").json


def test_a_missing_table_is_one_line(command, config_file, tmp_path):
    ended = command("dataset", "maintain", "--config", config_file({"dataset": {"path": str(tmp_path / "none")}}))
    assert (ended.code, ended.out) == (1, "")
    assert "no Delta table here yet" in ended.error
    assert not (tmp_path / "none").exists()


def test_a_file_that_cannot_be_read_is_named_and_one_line_says_why(command, config_file, path):
    (spoilt, *_) = path.glob("ingest_date=*/*.parquet")
    spoilt.write_bytes(b"rubbish")
    ended = command("dataset", "maintain", "--config", config_file({"dataset": {"path": str(path)}}))
    assert ended.code == 1
    warning, line = ended.err.splitlines()
    assert "a file cannot be read, and is not merged" in warning
    assert spoilt.name in warning
    assert line.startswith("headrace: ")


@pytest.mark.parametrize("point", ["after:merge", "before:replace", "after:replace", "before:delete"])
def test_killed_at_a_step_it_is_done_the_next_time(config_file, path, point):
    command = ["dataset", "maintain", "--json", "--config", str(config_file({"dataset": {"path": str(path)}}))]
    assert warm.run(*command, env={**os.environ, "HEADRACE_TEST_KILL_AT": point}).returncode == -9
    assert offsets(path) == list(range(12))
    again = warm.run(*command)
    assert json.loads(again.stdout)["active_files"] == 1
    assert len(DeltaTable(str(path)).file_uris()) == 1
    assert offsets(path) == list(range(12))
    assert InteractionTable(path).position("id/0") == 12
