"""`headrace aggregate` as its user sees it."""

import gzip
import json

import polars as pl
import pytest

from headrace.config import load
from headrace_consumers.history.records import HistoricRecords
from tests.support.interactions import NOW_MS, interaction
from tests.unit.history.lines_of_logs import as_line, historic


@pytest.fixture
def log(tmp_path):
    """Nine lines: a good one and its copy, slow, dear, failed and empty-handed ones, and three bad ones."""
    lines = [
        historic(),
        historic(timestamp_ms=1_699_564_800_001),
        historic(input={"q": "slow"}, latency_ms=6000),
        historic(input={"q": "dear"}, cost_usd=0.2),
        historic(input={"q": "failed"}, success=False, output=None, error="boom"),
        historic(input={"q": "empty"}, output={"answer": ""}),
        {"module_name": "reviewer"},
        historic(input={"q": "early"}, timestamp_ms=5),
    ]
    path = tmp_path / "old.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "oops\n")
    return path


def aggregate(command, log, tmp_path, *arguments):
    ended = command("aggregate", "--log-file", log, "--output-dir", tmp_path / "out", "--json", *arguments)
    assert (ended.code, ended.err) == (0, "")
    return ended.json


def table(tmp_path):
    return pl.scan_delta(str(tmp_path / "out" / "interactions")).collect()


def test_the_documents_job_in_one_command(command, log, tmp_path):
    counts = aggregate(command, log, tmp_path)
    assert counts["kept"] == 1
    assert counts["duplicates"] == 1
    assert counts["rejected"] == {"latency": 1, "cost": 1, "failed": 1, "quality": 1}
    assert counts["consumed"] == 6
    assert "dead_letters" not in counts
    assert counts["bad_lines"] == {"missing_field": 1, "not_json": 1, "timestamp_out_of_bounds": 1}
    aside = [json.loads(line) for line in (tmp_path / "out" / "aggregate.bad-lines.jsonl").read_text().splitlines()]
    assert sorted((bad["line"], bad["reason"]) for bad in aside) == [
        (7, "missing_field"),
        (8, "timestamp_out_of_bounds"),
        (9, "not_json"),
    ]


def test_thresholds_are_options(command, log, tmp_path):
    counts = aggregate(
        command, log, tmp_path, "--max-latency-ms", 6000, "--max-cost-usd", 0.2, "--min-quality-score", 0
    )
    assert counts["rejected"] == {"failed": 1}
    assert counts["kept"] == 4


def test_a_threshold_given_holds_for_a_signature_that_has_its_own(command, log, tmp_path):
    own = {"max_latency_ms": 100, "max_cost_usd": 0.001, "min_quality_score": 1, "require_success": False}
    (tmp_path / "own.json").write_text(json.dumps({"filters": {"signatures": {historic()["signature"]: own}}}))
    config = ["--config", tmp_path / "own.json"]
    wide = ["--max-latency-ms", 6000, "--max-cost-usd", 0.2]
    assert aggregate(command, log, tmp_path, *config)["kept"] == 0
    assert aggregate(command, log, tmp_path, *config, *wide)["rejected"] == {"quality": 2}
    counts = aggregate(command, log, tmp_path, *config, *wide, "--min-quality-score", 0)
    assert counts["rejected"] == {}  # what is not given is the signature's still: failed calls too


def test_aggregating_twice_adds_nothing(command, log, tmp_path):
    packed = tmp_path / "old.jsonl.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    aggregate(command, log, tmp_path)
    before = table(tmp_path)
    assert aggregate(command, log, tmp_path, "--log-file", packed)["kept"] == 0
    assert table(tmp_path).equals(before)


def test_people_read_counts_and_where_the_table_is(command, log, tmp_path):
    ended = command("aggregate", "--log-file", log, "--output-dir", "out")
    assert "bad lines  3  missing_field 1, not_json 1, timestamp_out_of_bounds 1; see out/aggre" in ended.out
    assert ended.out.endswith("table: out/interactions\n")
    assert "dead letters" not in ended.out
    assert "Kafka" not in (tmp_path / "out" / "aggregate.bad-lines.jsonl").read_text()


def test_mistakes_are_one_line_and_change_nothing(command, log, tmp_path):
    assert (
        "missing.jsonl: cannot read it"
        in command("aggregate", "--log-file", "missing.jsonl", "--output-dir", "o").error
    )
    assert (
        "is one of the files" in command("aggregate", "--log-file", log, "--output-dir", "o", "--bad-lines", log).error
    )
    assert (
        "SIGNATURE=HASH" in command("aggregate", "--log-file", log, "--output-dir", "o", "--fields-hash", "x=7").error
    )
    assert command("aggregate", "--log-file", log, "--output-dir", "o", "--min-quality-score", 2).code == 2
    (tmp_path / "file").touch()
    assert "file" in command("aggregate", "--log-file", log, "--output-dir", tmp_path / "file").error
    assert not (tmp_path / "o").exists()


def test_the_table_itself(command, log, tmp_path):
    ended = command("aggregate", "--log-file", log, "--table", "mine")
    assert ended.out.endswith("table: mine\n")
    assert len(pl.scan_delta(str(tmp_path / "mine")).collect()) == 1
    assert (tmp_path / "aggregate.bad-lines.jsonl").exists()


@pytest.mark.parametrize(
    ("places", "line"),
    [
        ([], "aggregate: where to? Give either --output-dir DIR or --table PLACE"),
        (["--output-dir", "o", "--table", "t"], "aggregate: where to?"),
        (["--output-dir", "s3://bucket/o"], "is no local folder; give the table itself, --table PLACE"),
    ],
)
def test_a_place_that_is_not_told_is_one_line(command, log, tmp_path, places, line):
    ended = command("aggregate", "--log-file", log, *places)
    assert ended.code == 2
    assert line in ended.error
    assert [path.name for path in tmp_path.iterdir()] == [log.name]


def test_a_log_without_any_record_is_1(command, tmp_path):
    (tmp_path / "bad").write_text("oops\n")
    assert command("aggregate", "--log-file", "bad", "--output-dir", "o").code == 1
    (tmp_path / "empty").touch()
    assert command("aggregate", "--log-file", "empty", "--output-dir", "o").code == 0


def test_only_the_keys_that_a_line_needs_are_asked_for(command, log, tmp_path, monkeypatch):
    keys = {"old": "env:OLD_KEY", "new": "env:NEW_KEY"}
    encryption = {"keys": keys, "write_key": "old", "dedup_key": "env:DEDUP_KEY"}
    config = tmp_path / "encrypted.json"
    config.write_text(json.dumps({"encryption": encryption}))
    for name, first in {"OLD_KEY": "A", "NEW_KEY": "B", "DEDUP_KEY": "C"}.items():
        monkeypatch.setenv(name, first * 42 + "A=")
    records = HistoricRecords(load(config), now_ms=lambda: NOW_MS)
    sealed = [records.record(as_line(historic(input={"q": f"sealed {number}"}))) for number in range(3)]
    finished = tmp_path / "finished.jsonl"
    finished.write_text("".join(json.dumps(record) + "\n" for record in [*sealed, interaction("plain")]))

    for name in ("NEW_KEY", "DEDUP_KEY"):
        monkeypatch.delenv(name)
    assert aggregate(command, finished, tmp_path, "--config", config)["kept"] == 4
    monkeypatch.delenv("OLD_KEY")
    other = ("--output-dir", tmp_path / "other", "--config", config)
    ended = command("aggregate", "--log-file", finished, *other, "--json")
    assert (ended.code, ended.json["kept"], ended.json["bad_lines"]) == (0, 1, {"undecryptable": 3})
    said = (tmp_path / "other" / "aggregate.bad-lines.jsonl").read_text()
    assert "the record is encrypted; of encryption.keys this host lacks new, old" in said

    refused = command("aggregate", "--log-file", log, *other)  # plain lines get the producers' deduplication keys
    assert refused.code == 2
    assert "encryption.dedup_key: the environment variable DEDUP_KEY is not set" in refused.error
    monkeypatch.setenv("DEDUP_KEY", "C" * 42 + "A=")
    assert aggregate(command, log, tmp_path, "--config", config)["kept"] == 1
    live = records.record(as_line(historic()))
    assert live["dedup_key"] in table(tmp_path)["dedup_key"].to_list()


def test_a_killed_run_is_made_good_by_the_next(command, log, tmp_path, monkeypatch):
    from headrace_consumers.history import aggregating

    monkeypatch.setattr(aggregating, "_BATCH_RECORDS", 2)
    monkeypatch.setattr(aggregating.InteractionTable, "commit", _failing_second(aggregating.InteractionTable.commit))
    assert "disk" in command("aggregate", "--log-file", log, "--output-dir", "out").error
    monkeypatch.undo()
    aggregate(command, log, tmp_path)
    assert table(tmp_path)["dedup_key"].n_unique() == len(table(tmp_path)) == 1


def _failing_second(commit):
    from headrace_consumers.dataset.errors import TableError

    calls = []

    def failing(self, *arguments, **named):
        calls.append(1)
        if len(calls) > 1:
            raise TableError("the disk is full; mend it and start again")
        return commit(self, *arguments, **named)

    return failing


def test_what_was_erased_does_not_come_again(command, log, tmp_path):
    aggregate(command, log, tmp_path)
    path = tmp_path / "out" / "interactions"
    (request,) = table(tmp_path)["request_id"].to_list()
    assert command("erase", "--request", request, "--table", path, "--apply").code == 0
    counts = aggregate(command, log, tmp_path)
    assert (counts["kept"], counts["rejected"]["suppressed"]) == (1, 1)  # its copy in the log is another request
    assert request not in table(tmp_path)["request_id"].to_list()
