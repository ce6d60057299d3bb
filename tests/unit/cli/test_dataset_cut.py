"""`headrace dataset cut|replay` over real Delta tables, as their user sees them."""

import json
from contextlib import closing

import pytest

from headrace_consumers.dataset.delta.table import InteractionTable
from tests.support.committing import CommitPath
from tests.support.interactions import interaction, message_of

SIGNATURE = interaction()["signature"]


@pytest.fixture
def commit(tmp_path, command):
    """Commit questions to the table."""

    def work(questions, offset=0):
        with closing(CommitPath(tmp_path, position=offset or None)) as path:
            path.commit(
                [
                    message_of(
                        interaction(question, request_id=f"r-{at}", latency_ms=100.0 + at, subject_id=f"s-{at}"), at
                    )
                    for at, question in enumerate(questions, offset)
                ]
            )
        command("--version")  # takes up what the consumer has logged

    return work


@pytest.fixture
def config(config_file, tmp_path):
    return config_file(
        {
            "dataset": {"path": str(tmp_path / "table")},
            "versions": {"gates": {"default": {"max_share_per_source": 1.0, "max_difficulty_deviation": 1.0}}},
        }
    )


def test_a_cut_tells_what_it_made(command, commit, config, tmp_path):
    commit([f"q {n}" for n in range(80)])
    ended = command("dataset", "cut", "-s", SIGNATURE, "--config", config)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == f"{SIGNATURE} v1: 80 examples"
    assert lines[2].split() == ["split", "examples", "telemetry", "unverified", "labels"]
    assert lines[-1] == f"training_data/{SIGNATURE}/v1"
    assert (tmp_path / lines[-1] / "train.jsonl").exists()


def test_json_is_all_that_is_on_stdout(command, commit, config):
    commit([f"q {n}" for n in range(80)])
    told = command("dataset", "cut", "-s", SIGNATURE, "--config", config, "--json").json
    assert (told["version"], told["examples"], told["offenders"]) == ("v1", 80, {})
    assert sum(split["examples"] for split in told["splits"].values()) == 80
    assert told["label_shares"]["train"]["unverified"] == 1.0


def test_strict_ends_with_code_1_and_makes_nothing(command, commit, config, tmp_path):
    commit(["alone"])
    ended = command("dataset", "cut", "-s", SIGNATURE, "--strict", "--config", config)
    assert ended.code == 1
    assert ended.out.startswith(f"{SIGNATURE}: nothing was made: 1 examples\n")
    assert "FAILED minimum size 1 examples, at least 50 are wanted" in " ".join(ended.out.split())
    assert not (tmp_path / "training_data" / SIGNATURE / "v1").exists()


def test_replay_finds_the_same_after_the_table_has_grown(command, commit, config, tmp_path):
    commit([f"q {n}" for n in range(60)])
    command("dataset", "cut", "-s", SIGNATURE, "--config", config)
    commit([f"q {n}" for n in range(60, 90)], offset=60)
    ended = command("dataset", "replay", "-s", SIGNATURE, "--into", tmp_path / "again", "--config", config)
    assert ended.code == 0
    assert ended.out.startswith(f"{SIGNATURE} v1: made again, 60 examples: the same, byte by byte\n")
    first = tmp_path / "training_data" / SIGNATURE / "v1" / "train.jsonl"
    assert (tmp_path / "again" / "train.jsonl").read_bytes() == first.read_bytes()


def test_replay_says_which_file_was_changed(command, commit, config, tmp_path):
    commit(["q 0", "q 1"])
    command("dataset", "cut", "-s", SIGNATURE, "--config", config)
    (tmp_path / "training_data" / SIGNATURE / "v1" / "train.jsonl").write_bytes(b'{"torn')
    ended = command("dataset", "replay", "-s", SIGNATURE, "--config", config)
    assert ended.code == 1
    assert "NOT the same" in ended.out
    assert "CHANGED: train.jsonl: is not the file that the manifest names" in ended.out


def test_replay_names_who_was_erased(command, commit, config):
    commit([f"q {n}" for n in range(60)])
    command("dataset", "cut", "-s", SIGNATURE, "--config", config)
    erased = command("erase", "--request", "r-7", "--apply", "--config", config, "--json")
    assert erased.code == 0, erased.err
    ended = command("dataset", "replay", "-s", SIGNATURE, "--config", config, "--json")
    told = ended.json
    if told["is_same"]:  # the erasure rewrote the version too
        assert told["examples"] == 59
    else:
        assert [(gone["partition"], gone["offset"]) for gone in told["gone"]] == [(0, 7)]


def test_people_who_are_suppressed_stay_out_though_a_row_has_come_back(command, commit, config, tmp_path):
    commit(["q 0", "q 1"])
    with closing(InteractionTable(tmp_path / "table")) as table:
        table.properties.suppress(["s-0"], [], "2026-11-27")
    told = command("dataset", "cut", "-s", SIGNATURE, "--config", config, "--json").json
    assert told["examples"] == 1
    assert "1 rows are of people who were erased, and were left out" in told["notes"]


def test_an_unknown_signature_and_a_missing_table_are_one_line(command, commit, config, tmp_path):
    ended = command("dataset", "cut", "-s", SIGNATURE, "--config", config)
    assert (ended.code, "no Delta table here yet" in ended.error) == (1, True)
    commit(["q"])
    ended = command("dataset", "cut", "-s", "Unknown", "--config", config)
    assert (ended.code, "no example of Unknown in environment production" in ended.error) == (2, True)
    assert not list(tmp_path.rglob("Unknown*"))


def test_a_damaged_file_of_the_table_is_one_line(command, commit, config, tmp_path):
    commit([f"q {n}" for n in range(60)])
    (file,) = (tmp_path / "table").glob("ingest_date=*/*.parquet")
    file.write_bytes(b"PAR1" + b"\0" * 100)
    ended = command("dataset", "cut", "-s", SIGNATURE, "--config", config)
    assert ended.code == 1
    assert "cannot read the table" in ended.error
    assert "headrace dataset verify" in ended.error


def test_replay_of_what_is_not_there_is_one_line(command, commit, config):
    commit([f"q {n}" for n in range(60)])
    command("dataset", "cut", "-s", SIGNATURE, "--config", config)
    assert "v7" in command("dataset", "replay", "-s", SIGNATURE, "v7", "--config", config).error


def test_the_version_is_made_with_another_root(command, commit, config, tmp_path):
    commit([f"q {n}" for n in range(60)])
    told = command("dataset", "cut", "-s", SIGNATURE, "--root", tmp_path / "else", "--config", config, "--json").json
    assert told["path"] == str(tmp_path / "else" / SIGNATURE / "v1")
    manifest = json.loads((tmp_path / "else" / SIGNATURE / "v1" / "manifest.json").read_text())
    assert manifest["tables"]["interactions"]["version"] >= 1
