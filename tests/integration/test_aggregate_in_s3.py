"""`headrace aggregate` into a table in a real S3-compatible server."""

import json
import uuid

import polars as pl
import pytest

from headrace_consumers.cli import main
from headrace_consumers.dataset.delta.store_at import store_at
from tests.support.s3_proxy import S3Proxy
from tests.unit.history.lines_of_logs import historic


@pytest.fixture
def place(s3):
    return s3.uri(uuid.uuid4().hex)


@pytest.fixture
def run(s3, tmp_path, monkeypatch, capsys):
    """Aggregate a log of five calls, of which two are copies of one and one is no record."""
    monkeypatch.chdir(tmp_path)
    lines = [historic(), historic(timestamp_ms=1_699_564_800_001)]
    lines += [historic(input={"q": str(number)}) for number in range(2)]
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "oops\n")

    def command(*arguments, port=None):
        options = {**s3.options(port), **({"max_retries": "0", "retry_timeout": "1s"} if port else {})}
        config = {"dataset": {"storage_options": options}}
        (tmp_path / "headrace.json").write_text(json.dumps(config))
        code = main([*arguments, "--config", "headrace.json"])
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def rows(s3, place):
    return pl.from_arrow(store_at(place, s3.options()).handle().to_pyarrow_table())


def test_aggregating_twice_adds_nothing(s3, place, run, tmp_path):
    command = ["aggregate", "--log-file", "old.jsonl", "--table", place]
    code, out, err = run(*command)
    assert (code, err) == (0, "")
    assert out.endswith(f"table: {place}\n")
    first = rows(s3, place)
    assert (len(first), first["dedup_key"].n_unique()) == (3, 3)
    assert "not_json" in (tmp_path / "aggregate.bad-lines.jsonl").read_text()
    code, out, _ = run(*command, "--json")
    counts = json.loads(out)
    assert (code, counts["kept"], counts["duplicates"], counts["table"]) == (0, 0, 4, place)
    assert rows(s3, place).equals(first)


def test_whoever_was_erased_from_it_does_not_come_again(s3, place, run):
    run("aggregate", "--log-file", "old.jsonl", "--table", place)
    request = rows(s3, place)["request_id"].to_list()[0]
    assert run("erase", "--request", request, "--table", place, "--apply")[0] in (0, None)
    assert len(rows(s3, place)) == 2
    assert run("aggregate", "--log-file", "old.jsonl", "--table", place)[0] == 0
    assert request not in rows(s3, place)["request_id"].to_list()


@pytest.mark.parametrize("away_from", ["", "ingest_date"])
def test_a_store_that_is_away_is_one_line_and_the_next_run_adds_what_is_missing(s3, place, run, away_from):
    command = ["aggregate", "--log-file", "old.jsonl", "--table", place]
    for _ in range(2):  # of a new table, and of one whose keys are to be read
        with S3Proxy(s3.port, away_from=away_from) as proxy:
            code, _, err = run(*command, port=proxy.port)
        assert (code, len(err.splitlines())) == (1, 1)
        assert "unexpected" not in err
        assert run(*command)[0] == 0
        assert len(rows(s3, place)) == 3
