"""`headrace dataset sample|query` on a small table: which rows, and that SQL reaches nothing else."""

import datetime as dt
import json
from collections import Counter

import polars as pl
import pytest
from deltalake import write_deltalake

MONDAY = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
ROWS = 60


def row(number):
    moment = MONDAY + dt.timedelta(days=number % 3)
    return {
        "signature": "Answer" if number % 4 else "Rank",
        "dedup_key": f"{number * 2654435761 % 2**32:064x}",
        "input": json.dumps({"question": f"question {number}"}),
        "output": json.dumps({"answer": [number]}),
        "attributes": "{}",
        "quality": number / ROWS,
        "partition": 0,
        "offset": number,
        "ingested_at": moment,
        "ingest_date": moment.date(),
    }


def write(path, rows):
    """A table as the consumer writes it: partitioned, and of plain Arrow strings."""
    rows = pl.DataFrame(rows).to_arrow(compat_level=pl.CompatLevel.oldest())
    write_deltalake(str(path), rows, partition_by=["ingest_date"])


@pytest.fixture
def table(config_file, tmp_path):
    path = tmp_path / "a table"
    write(path, map(row, range(ROWS)))
    return config_file({"dataset": {"path": str(path)}})


def sampled(command, table, *arguments):
    return command("dataset", "sample", "--config", table, "--json", *arguments).json


def test_a_sample_is_random_without_repetition_and_repeatable_by_its_seed(command, table):
    first = sampled(command, table, "-n", "10", "--seed", "1")
    offsets = {entry["offset"] for entry in first}
    assert len(offsets) == 10
    assert first == sampled(command, table, "-n", "10", "--seed", "1")
    assert offsets != {entry["offset"] for entry in sampled(command, table, "-n", "10", "--seed", "2")}
    assert first[0]["input"] == {"question": f"question {first[0]['offset']}"}


def test_each_row_has_the_same_chance(command, table):
    seen = Counter(
        entry["offset"] for seed in range(30) for entry in sampled(command, table, "-n", "20", "--seed", seed)
    )
    assert len(seen) == ROWS
    assert 1 < min(seen.values()) <= max(seen.values()) < 24  # 10 are expected, give or take 2.6


def test_a_sample_of_a_signature_and_of_days(command, table):
    rows = sampled(command, table, "-n", "100", "-s", "Rank", "--since", "2026-03-03", "--until", "2026-03-03")
    assert sorted(entry["offset"] for entry in rows) == [n for n in range(ROWS) if n % 4 == 0 and n % 3 == 1]
    assert len(sampled(command, table, "-n", "100", "--until", "2026-03-03")) == 40
    assert len(sampled(command, table, "-n", "100", "--since", "2026-03-04")) == 20
    ended = command("dataset", "sample", "--config", table, "--since", "2027-01-01")
    assert (ended.code, ended.out, ended.err) == (0, "", "no such rows\n")


def test_so_many_of_each_signature(command, table):
    rows = sampled(command, table, "-n", "3", "--each")
    assert Counter(entry["signature"] for entry in rows) == {"Answer": 3, "Rank": 3}


def test_a_sample_is_shown_to_people_and_no_terminal_obeys_it(command, config_file, tmp_path):
    odd = {**row(1), "output": json.dumps({"answer": "\x1b[2J red \u202e"})}
    write(tmp_path / "t", [odd])
    out = command("dataset", "sample", "--config", config_file({"dataset": {"path": str(tmp_path / "t")}})).out
    assert "input.question" in out
    assert "red" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.mark.parametrize("arguments", [["--since", "tomorrow"], ["-n", "0"], ["-s", "Answr"]])
def test_a_choice_that_makes_no_sense_is_one_line(command, table, arguments):
    ended = command("dataset", "sample", "--config", table, *arguments)
    assert ended.code == 2
    assert ended.error


def test_sql_over_the_table(command, table):
    found = command(
        "dataset", "query", "--config", table, "--json",
        "select signature, count(*) as n, min(ingested_at) as first, avg(quality) > 0.4 as good,"
        " max(input->>'question') q from dataset where ingest_date < '2026-03-04' group by all order by n",
    ).json  # fmt: skip
    assert [(entry["signature"], entry["n"], entry["good"]) for entry in found] == [
        ("Rank", 10, True),
        ("Answer", 30, True),
    ]
    assert dt.datetime.fromisoformat(found[0]["first"]) == MONDAY
    assert found[0]["q"].startswith("question ")


def test_sql_is_aligned_for_people_and_cut(command, table):
    ended = command(
        "dataset", "query", "--config", table, "--most", "2", 'select "offset" n, signature from dataset order by n'
    )
    assert ended.out.splitlines() == ["n  signature", "0  Rank", "1  Answer"]
    assert ended.err == "the first 2 rows; --most N shows more\n"


def test_every_type_has_a_json_form_and_equal_names_stay_two(command, table):
    sql = (
        "select 1.5::decimal(4,2) d, interval 3 days i, uuid() u, [1] l, {'a': now()} s, 'x'::blob b, map{'k': 1} m,"
        " 1 x, 2 x, time '10:00' t, null n"
    )
    (found,) = command("dataset", "query", "--config", table, "--json", sql).json
    assert (found["d"], found["l"], found["b"], found["x"], found["n"]) == ("1.50", [1], "78", 1, None)
    assert len(found) == 11
    assert command("dataset", "query", "--config", table, sql).code == 0


@pytest.mark.parametrize(
    "sql", ["describe dataset", "summarize dataset", "explain select * from dataset", "from dataset"]
)
def test_what_else_reads(command, table, sql):
    assert command("dataset", "query", "--config", table, "--json", sql).json


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_text('{secret}')",
        "select * from read_csv('{secret}')",
        "select * from '{secret}'",
        "select * from glob('{folder}/*')",
        "select * from read_parquet('https://example.com/x.parquet')",
        "copy dataset to '{folder}/out.csv'",
        "copy (select 1) to '{folder}/out.csv'",
        "export database '{folder}/out'",
        "attach '{folder}/out.db' as other",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "pragma version",
        "select 1; select 2",
        "create table t as select 1",
        "delete from dataset",
        "insert into dataset values (1)",
        "call duckdb_secrets()",
        "select * from sql",
        "select * from source",
        "selec 1",
        "select no_such from dataset",
        "",
    ],
)
def test_sql_reaches_nothing_else_and_writes_nothing(command, table, tmp_path, sql):
    secret = tmp_path / "secret.csv"
    secret.write_text("secret,1\n")
    before = sorted(tmp_path.rglob("*"))
    ended = command("dataset", "query", "--config", table, sql.format(secret=secret, folder=tmp_path))
    assert (ended.code, ended.out) == (2, "")
    assert ended.error.startswith("dataset query: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_locked_cannot_be_unlocked(command, table):
    settings = ("lock_configuration", "enable_external_access", "python_enable_replacements")
    sql = "select " + ", ".join(f"current_setting('{name}')::varchar {name}" for name in settings)
    (found,) = command("dataset", "query", "--config", table, "--json", sql).json
    assert found == dict(zip(settings, ("true", "false", "false"), strict=True))


@pytest.mark.usefixtures("table")
def test_a_missing_table_or_file_is_one_line(command, config_file, tmp_path):
    ended = command("dataset", "query", "--config", config_file({"dataset": {"path": "nowhere"}}), "select 1")
    assert ended.code == 1
    assert "no Delta table here yet" in ended.error
    next((tmp_path / "a table").rglob("*.parquet")).unlink()
    path = config_file({"dataset": {"path": str(tmp_path / "a table")}})
    ended = command("dataset", "query", "--config", path, "select sum(quality) from dataset")
    assert ended.code == 1
    assert ended.error
