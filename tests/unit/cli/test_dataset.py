"""`headrace dataset ls|show` on a small table."""

import datetime as dt
import json

import polars as pl
import pytest

MONDAY = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)


def row(number: int, signature: str, **changes: object) -> dict[str, object]:
    return {
        "signature": signature,
        "fields_hash": "0123456789abcdef",
        "input": json.dumps({"question": f"question {number}"}),
        "output": json.dumps({"answer": [number]}),
        "attributes": "{}",
        "error": None,
        "quality": 1.0,
        "partition": 0,
        "offset": number,
        "ingested_at": MONDAY + dt.timedelta(minutes=number),
        **changes,
    }


@pytest.fixture
def table(config_file, tmp_path):
    rows = [
        row(0, "Answer"),
        row(1, "Answer", quality=0.5),
        row(2, "Answer", fields_hash="fedcba9876543210", quality=0.75),
        row(3, "Rank", quality=None),
    ]
    pl.DataFrame(rows, schema_overrides={"error": pl.String}).write_delta(str(tmp_path / "table"))
    return config_file({"dataset": {"path": str(tmp_path / "table")}})


def test_ls_counts_per_signature(command, table):
    found = command("dataset", "ls", "--config", table, "--json").json
    assert [entry["signature"] for entry in found] == ["Answer", "Rank"]
    answer = found[0]
    assert (answer["rows"], answer["fields_hashes"], answer["mean_quality"]) == (3, 2, 0.75)
    assert dt.datetime.fromisoformat(answer["first_ingested_at"]) == MONDAY
    assert dt.datetime.fromisoformat(answer["last_ingested_at"]) == MONDAY + dt.timedelta(minutes=2)
    assert found[1]["mean_quality"] is None


def test_ls_is_aligned_for_people(command, table):
    lines = command("dataset", "ls", "--config", table).out.splitlines()
    assert lines == [
        "signature  rows  fields  first             last              quality",
        "Answer        3       2  2026-03-02 09:00  2026-03-02 09:02     0.75",
        "Rank          1       1  2026-03-02 09:03  2026-03-02 09:03",
    ]


def test_show_gives_the_newest_rows_with_nested_payloads(command, table):
    rows = command("dataset", "show", "--signature", "Answer", "-n", "2", "--config", table, "--json").json
    assert [entry["offset"] for entry in rows] == [2, 1]
    assert rows[0]["input"] == {"question": "question 2"}
    assert rows[0]["output"] == {"answer": [2]}


def test_show_is_readable_by_people(command, table):
    lines = command("dataset", "show", "-s", "Answer", "-n", "2", "--config", table).out.splitlines()
    assert ["input.question", "question", "2"] in [line.split() for line in lines]
    assert ["output.answer", "[2]"] in [line.split() for line in lines]
    assert lines.count("") == 1  # between the two rows
    assert not any(line.startswith("error") for line in lines)  # empty columns are left out


def test_show_of_an_unknown_signature_names_the_nearest(command, table):
    ended = command("dataset", "show", "--signature", "Answr", "--config", table, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean Answer?" in ended.error


@pytest.mark.parametrize("arguments", [["ls"], ["show", "--signature", "Answer"]], ids=["ls", "show"])
@pytest.mark.parametrize("folder", ["nowhere/at/all", "."])
def test_a_missing_table_is_one_line(command, config_file, arguments, folder):
    ended = command("dataset", *arguments, "--config", config_file({"dataset": {"path": folder}}), "--json")
    assert (ended.code, ended.out) == (1, "")
    assert f"{folder}: no Delta table here yet" in ended.error


def test_somebody_elses_table_is_one_line(command, config_file, tmp_path):
    pl.DataFrame({"a": [1]}).write_delta(str(tmp_path / "other"))
    ended = command("dataset", "ls", "--config", config_file({"dataset": {"path": str(tmp_path / "other")}}))
    assert ended.code == 1
    assert "not a table of Headrace" in ended.error


def test_a_damaged_log_is_one_line(command, table, tmp_path):
    (tmp_path / "table" / "_delta_log" / "00000000000000000000.json").write_text('{"half')
    ended = command("dataset", "ls", "--config", table)
    assert ended.code == 1
    assert "cannot read the table" in ended.error


@pytest.mark.parametrize("name", ["with blank", "größe", "50%"])
def test_a_folder_may_have_any_name(command, config_file, tmp_path, name):
    pl.DataFrame([row(0, "Answer")], schema_overrides={"error": pl.String}).write_delta(str(tmp_path / name))
    path = config_file({"dataset": {"path": str(tmp_path / name)}})
    assert [entry["rows"] for entry in command("dataset", "ls", "--config", path, "--json").json] == [1]
    assert len(command("dataset", "show", "-s", "Answer", "--config", path, "--json").json) == 1
