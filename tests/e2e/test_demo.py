"""`headrace demo` as its user runs it, checked against itself and against the table it leaves."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from headrace_consumers.demo.tickets import Mishap, tickets
from headrace_schemas import keys
from tests.support.waiting import wait_until

HEADRACE = str(Path(sys.executable).with_name("headrace"))
CALLS = 600


def environ():
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}


def headrace(*arguments, cwd, **more):
    return subprocess.run(
        [HEADRACE, *arguments],
        cwd=cwd,
        env={**environ(), **more},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def ended(folder):
    # The developer's own settings must not lead the demo to another broker.
    misleading = {"HEADRACE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9", "HEADRACE_TELEMETRY__ENABLED": "false"}
    return headrace("demo", "--json", "--calls", str(CALLS), cwd=folder, **misleading)


@pytest.fixture(scope="module")
def summary(ended):
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def rows(summary):
    return pl.scan_delta(summary["dataset"]).collect().to_dicts()


def test_it_prints_json_and_nothing_else(ended):
    assert ended.returncode == 0
    assert ended.stderr == ""
    json.loads(ended.stdout)


def test_its_own_checks_hold(summary):
    assert summary["ok"] is True
    assert [check["statement"] for check in summary["checks"] if not check["holds"]] == []
    assert len(summary["checks"]) >= 8


def test_every_call_ended_as_its_ticket_says(summary):
    mishaps = Counter(ticket.mishap for ticket in tickets(CALLS))
    assert summary["calls"] == CALLS
    assert summary["failed"] == {
        "LookupError": mishaps[Mishap.unknown_customer],
        "ConnectionError": mishaps[Mishap.outage],
        "AdapterParseError": mishaps[Mishap.garbled],
    }
    assert summary["succeeded"] == CALLS - sum(summary["failed"].values())


def test_the_sample_is_the_one_that_the_hash_decides(summary, rows):
    rate = summary["sampling_rate_pct"] / 100
    sampled = {t.request_id for t in tickets(CALLS) if keys.is_below_rate(keys.sampling_hash(t.request_id), rate)}
    assert 0 < len(sampled) < CALLS
    assert summary["sampled_calls"] == len(sampled)
    assert {row["request_id"] for row in rows} <= sampled
    assert {row["inclusion_probability"] for row in rows} == {rate}


def test_the_figures_follow_from_each_other(summary):
    ledger, consumer = summary["ledger"], summary["consumer"]
    gone = ledger["spooled"] + ledger["in_flight"] + sum(ledger["dropped"].values())
    assert ledger["sampled"] == ledger["delivered"] + gone
    assert ledger["sampled"] >= summary["sampled_calls"]
    rejected, letters = sum(consumer["rejected"].values()), sum(consumer["dead_letters"].values())
    accounted = consumer["kept"] + consumer["duplicates"] + rejected + consumer["outcomes"] + letters
    assert consumer["consumed"] == ledger["delivered"] - summary["feedback"]["given"] == accounted
    assert letters == 0
    assert consumer["duplicates"] > 0


def test_the_filter_rejects_for_every_reason_in_the_traffic(summary):
    assert set(summary["consumer"]["rejected"]) >= {"failed", "latency", "cost", "quality"}


def test_the_table_holds_each_kept_example_once(summary, rows):
    assert len(rows) == summary["rows"] == summary["consumer"]["kept"] > 0
    assert len({row["dedup_key"] for row in rows}) == len(rows)
    assert dict(Counter(row["signature"] for row in rows)) == summary["rows_by_signature"]
    assert len(summary["rows_by_signature"]) >= 3


def test_feedback_is_joined_to_the_rows_of_its_calls(summary, rows):
    rated = {ticket.request_id: ticket.verdict for ticket in tickets(CALLS) if ticket.verdict is not None}
    told = summary["feedback"]
    assert told["given"] == told["rows"] == len(rated) == CALLS / 10
    kept = rated.keys() & {row["request_id"] for row in rows}
    assert 0 < len(kept) == told["joined"] - told["to_copies"] < len(rated)
    table = pl.scan_delta(f"{summary['dataset']}-feedback").collect()
    assert dict(table.select("request_id", "score").iter_rows()) == {name: said.score for name, said in rated.items()}
    assert told["example"]["request_id"] in kept
    assert told["example"]["comment"].endswith("Write to [EMAIL].")


def test_no_row_breaks_the_filter(rows):
    for row in rows:
        assert row["success"]
        assert row["latency_ms"] is None or row["latency_ms"] <= 5000
        assert row["cost_usd"] is None or row["cost_usd"] <= 0.10
        assert row["quality"] >= 0.70


def test_no_personal_data_is_left(summary, rows):
    text = json.dumps([{name: str(value) for name, value in row.items()} for row in rows])
    for trace in ("@example.com", "4111 1111", "203.0.113.", "+49 30"):
        assert trace not in text
    assert not re.search(r"sk-[a-z0-9]{20}", text)
    assert "[EMAIL]" in text
    assert set(summary["redactions"]) == {"email", "phone", "card", "ip", "secret"}


def test_three_rows_are_shown(summary, rows):
    shown = {(row["partition"], row["offset"]) for row in summary["examples"]}
    assert len(shown) == 3
    assert shown <= {(row["partition"], row["offset"]) for row in rows}


def test_it_leaves_one_folder(summary, folder):
    assert [entry.name for entry in folder.iterdir()] == ["demo-data"]
    assert summary["dataset"] == str(folder / "demo-data" / "dataset")


def test_the_query_works_when_pasted(summary, tmp_path):
    ended = subprocess.run(
        ["/bin/sh", "-c", summary["query"]], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    for signature, count in summary["rows_by_signature"].items():
        (line,) = [line for line in ended.stdout.splitlines() if f" {signature} " in line]
        assert str(count) in line.split()
    assert shlex.split(summary["query"])[0] == sys.executable


def test_the_listing_works_when_pasted(summary, tmp_path):
    ended = subprocess.run(
        ["/bin/sh", "-c", summary["listing"]], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    assert all(signature in ended.stdout for signature in summary["rows_by_signature"])


def test_the_command_line_reads_the_dataset(summary, tmp_path):
    listed = headrace("dataset", "ls", "--config", summary["config"], "--json", cwd=tmp_path)
    assert {entry["signature"]: entry["rows"] for entry in json.loads(listed.stdout)} == summary["rows_by_signature"]
    shown = headrace(
        "dataset", "show", "--signature", "DraftReply", "-n", "2", "--config", summary["config"], "--json", cwd=tmp_path
    )
    assert [row["signature"] for row in json.loads(shown.stdout)] == ["DraftReply"] * 2


def test_people_get_the_same_in_words_on_a_real_broker_which_is_left_as_it_was(kafka, tmp_path):
    before = set(kafka.admin.list_topics(timeout=30).topics)
    ended = headrace("demo", "--kafka", kafka.bootstrap_servers, "--calls", "200", "--dir", "here", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert f"on {kafka.bootstrap_servers}" in ended.stdout
    assert any(line.split() == ["calls", "200"] or line.startswith("calls") for line in lines)
    assert not any("FAILED" in line for line in lines)
    assert sum(line.startswith("Row ") for line in lines) == 3
    wait_until(lambda: _demo_topics(kafka) <= before, "the demo's topics to be gone")


def _demo_topics(kafka):
    return {name for name in kafka.admin.list_topics(timeout=30).topics if name.startswith("headrace-demo-")}


@contextmanager
def demo_at_work(folder):
    """A demo that would run for minutes, interrupted when its service is busy; nothing is left of it."""
    with subprocess.Popen(
        [HEADRACE, "demo", "--json", "--calls", "100000", "--dir", str(folder / "demo")],
        env=environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            log = folder / "demo" / "service.log"
            wait_until(lambda: log.is_file() and '"progress"' in log.read_text(), "the service to be at work", 60)
            yield program
        finally:
            program.kill()
            for pid in _processes_of(folder):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_ends_quietly_with_its_children(tmp_path, number):
    with demo_at_work(tmp_path) as program:
        assert len(_processes_of(tmp_path)) == 4
        program.send_signal(number)
        out, err = program.communicate(timeout=60)
        assert (program.returncode, out, err) == (128 + number, "", "")
        assert not _processes_of(tmp_path)


@pytest.mark.parametrize(
    ("victim", "module"),
    [("service", "headrace_consumers.demo.service"), ("feedback-consumer", "consume\0feedback")],
)
def test_a_process_that_dies_is_one_line_and_no_other_is_left(tmp_path, victim, module):
    with demo_at_work(tmp_path) as program:
        (pid,) = _processes_of(tmp_path, module)
        os.kill(pid, signal.SIGKILL)
        out, err = program.communicate(timeout=60)
        assert (program.returncode, out) == (1, "")
        assert err.startswith(f"headrace: the {victim} failed: ")
        assert err.count("\n") == 1
        assert not _processes_of(tmp_path)


def test_the_service_ends_with_a_demo_that_is_killed(tmp_path):
    with demo_at_work(tmp_path) as program:
        program.kill()
        program.wait(30)
        wait_until(lambda: not _processes_of(tmp_path, "headrace_consumers.demo.service"), "the service to be gone")


def test_an_option_that_does_not_exist_is_one_line_before_anything_starts(tmp_path):
    config = tmp_path / "bad.json"
    config.write_text(json.dumps({"kafka": {"producer_options": {"no.such.option": 1}}}))
    ended = headrace("demo", "--json", "--config", str(config), "--dir", str(tmp_path / "demo"), cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "no.such.option" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "demo").exists()


def _processes_of(folder, part=""):
    """Ids of the processes with the folder, and `part`, on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command_line = (entry / "cmdline").read_text() if entry.name.isdigit() else ""
            if str(folder) in command_line and part in command_line:
                found.append(int(entry.name))
        except OSError:
            continue  # it has just ended
    return found
