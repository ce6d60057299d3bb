"""`headrace dataset verify`: lines, JSON and exit codes."""

import pytest

from tests.support.committing import CommitPath
from tests.support.interactions import interaction, message_of


@pytest.fixture
def config(config_file, tmp_path):
    path = CommitPath(tmp_path)
    path.commit([message_of(interaction(f"question {n}"), n) for n in range(5)])
    path.close()
    return config_file({"dataset": {"path": str(tmp_path / "table"), "state_path": str(tmp_path / "none")}})


def test_a_whole_table_ends_with_0(command, config):
    ended = command("dataset", "verify", "--config", config, "--full")
    assert ended.code == 0
    assert "ok     keys: 5 rows, each with a key of its own" in ended.out.splitlines()
    assert command("dataset", "verify", "--config", config, "--json").json["ok"]


def test_a_damaged_one_ends_with_1_and_says_what_to_do(command, config, tmp_path):
    next((tmp_path / "table").rglob("*.parquet")).unlink()
    ended = command("dataset", "verify", "--config", config)
    assert ended.code == 1
    (line,) = [line for line in ended.out.splitlines() if line.startswith("wrong")]
    assert "it is not there -> stop the consumers and bring the table back" in line
    found = command("dataset", "verify", "--config", config, "--json")
    assert (found.code, found.json["ok"]) == (1, False)


def test_a_missing_table_is_one_line(command, config_file):
    ended = command("dataset", "verify", "--config", config_file({"dataset": {"path": "nowhere"}}))
    assert ended.code == 1
    assert "no Delta table here yet" in ended.error
