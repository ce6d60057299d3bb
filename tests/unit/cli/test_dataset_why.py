"""`headrace dataset why|trace` where Kafka is not configured: what the table alone tells."""

import pytest

from tests.support.committing import CommitPath
from tests.support.interactions import interaction, message_of

SIGNATURE = interaction()["signature"]


@pytest.fixture
def config(config_file, tmp_path):
    path = CommitPath(tmp_path)
    records = [
        interaction("a", event_id="event-a"),
        interaction("b", success=False),
        interaction("c", signature="Other"),
    ]
    path.commit([message_of(record, offset) for offset, record in enumerate(records)])
    path.close()
    return config_file({"dataset": {"path": str(tmp_path / "table")}})


def test_why_tells_what_the_commits_tell(command, config):
    out = command("dataset", "why", "-s", SIGNATURE, "--config", config).out
    assert f"{SIGNATURE}: 1 rows" in out
    assert "in the last 1 commits, since " in out
    assert ": 1 rows, 1 rejected (failed 1)" in out
    assert "not looked at: kafka.bootstrap_servers" in out
    found = command("dataset", "why", "-s", SIGNATURE, "--config", config, "--json").json
    assert (found["rows"], found["looked_at"], found["calls"]) == (1, None, None)
    assert len(found["notes"]) == 1


def test_why_of_an_unknown_signature_names_the_nearest(command, config):
    ended = command("dataset", "why", "-s", "Othr", "--config", config)
    assert ended.code == 2
    assert "did you mean Other?" in ended.error


def test_trace_tells_the_row_its_file_and_commit(command, config, tmp_path):
    out = command("dataset", "trace", "event-a", "--config", config).out
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if line)
    assert lines["event"] == "event-a"
    assert lines["became"] == "a row, quality 1"
    assert (tmp_path / "table" / lines["file"]).exists()
    assert lines["commit"].startswith("version 1, ")
    ended = command("dataset", "trace", "event-z", "--config", config)
    assert ended.code == 1
    assert "event-z: in no row" in ended.out
    assert "captured only where telemetry.sampling_rate_pct is above" in ended.out


def test_trace_says_where_the_commits_that_it_looks_at_do_not_reach(command, config, tmp_path):
    path = CommitPath(tmp_path, position=3)
    path.commit([message_of(interaction("d", event_id="event-d"), 3)])
    path.close()
    wanted = {"event-a": "before version 2, ", "event-d": "version 2, "}
    for event, begin in wanted.items():
        out = command("dataset", "trace", event, "--config", config, "--commits", "1").out
        assert dict(line.split(maxsplit=1) for line in out.splitlines() if line)["commit"].startswith(begin)
    found = command("dataset", "trace", "event-a", "--config", config, "--commits", "1", "--json").json
    assert (found["records"][0]["commit"], found["commits_told_from"]["version"]) == (None, 2)
    assert command("dataset", "trace", "event-a", "--config", config, "--json").json["commits_told_from"] is None


def test_a_table_that_is_missing_has_no_rows_and_a_damaged_one_is_one_line(command, config, config_file, tmp_path):
    next((tmp_path / "table").rglob("*.parquet")).unlink()
    ended = command("dataset", "trace", "event-a", "--config", config)
    assert (ended.code, f"headrace dataset verify --config {config} tells" in ended.error) == (1, True)
    assert command("dataset", "why", "-s", "X", "--config", config_file({"dataset": {"path": "no"}})).code == 2
