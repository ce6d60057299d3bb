"""What the demo reads from its table."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from headrace_consumers.demo.inspection import feedback_facts, listing_line, query_line, table_facts


def row(number, **changes):
    return {
        "signature": f"Signature{number % 2}",
        "dedup_key": f"key-{number}",
        "input": json.dumps({"question": number}),
        "output": "{}",
        "error": None,
        "latency_ms": 1.0,
        "cost_usd": None,
        "quality": 1.0,
        "redactions": 0,
        "partition": 0,
        "offset": number,
        **changes,
    }


def write(folder, rows):
    types = {"error": pl.String, "cost_usd": pl.Float64}
    pl.DataFrame(rows, schema_overrides=types).write_delta(str(folder))
    return str(folder)


def test_rows_keys_and_signatures_are_counted(tmp_path):
    facts = table_facts(write(tmp_path / "t", [row(0), row(1), row(2), row(3, dedup_key="key-2")]))
    assert (facts.rows, facts.distinct_keys, facts.rows_with_email) == (4, 3, 0)
    assert facts.signatures == {"Signature0": 2, "Signature1": 2}


@pytest.mark.parametrize("column", ["input", "output", "error", "signature"])
def test_an_address_is_found_in_whatever_text_column_it_hides(tmp_path, column):
    facts = table_facts(write(tmp_path / "t", [row(0), row(1, **{column: '{"a":"ada@example.com"}'})]))
    assert facts.rows_with_email == 1


def test_examples_are_of_different_signatures_and_redacted_where_there_are_such(tmp_path):
    facts = table_facts(write(tmp_path / "t", [row(0), row(2), row(4, redactions=2), row(1), row(3, redactions=1)]))
    assert [example["offset"] for example in facts.examples] == [4, 3, 0]


def test_an_empty_table_has_no_examples(tmp_path):
    facts = table_facts(write(tmp_path / "t", [row(0)][:0] or pl.DataFrame([row(0)]).clear()))
    assert (facts.rows, facts.rows_with_email, facts.examples) == (0, 0, [])


def said(number, of, **changes):
    return {
        "feedback_id": f"feedback-{number}",
        "request_id": f"request-{of}",
        "request_hash": f"hash-{of}",
        "module_name": None,
        "score": 0.5,
        "label": None,
        "comment": None,
        "partition": 0,
        "offset": number,
        **changes,
    }


def test_feedback_is_joined_to_rows_by_its_request_and_through_copies(tmp_path):
    rows = [row(number, request_id=f"request-{number}", module_name="desk") for number in range(3)]
    path = write(tmp_path / "t", rows)
    texts = {"module_name": pl.String, "label": pl.String, "comment": pl.String}
    given = [said(1, 0), said(2, 1, comment="ada@example.com"), said(3, 7), said(4, 8)]
    pl.DataFrame(given, schema_overrides=texts).write_delta(f"{path}-feedback")
    rated = ["request-0", "request-1", "request-7", "request-8"]
    facts = feedback_facts(path, rated)
    assert (facts.rows, facts.distinct, facts.rows_with_email) == (4, 4, 1)
    assert (facts.on_rated_rows, facts.joined_itself, facts.joined) == (2, 2, 2)
    assert facts.example == {"request_id": "request-1", "score": 0.5, "label": None, "comment": "ada@example.com"}
    pl.DataFrame([{"request_hash": "hash-7", "dedup_key": "key-2"}]).write_delta(f"{path}-sightings")
    facts = feedback_facts(path, rated)
    assert (facts.joined_itself, facts.joined) == (2, 3)


@pytest.mark.parametrize("name", ["plain", "with blank", "it's", 'a "quoted" $HOME `one`'])
def test_the_query_works_in_a_shell_whatever_the_folder_is_called(tmp_path, name):
    path = write(tmp_path / name, [row(0), row(1), row(2)])
    line = query_line(path)
    ended = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, timeout=60, check=True)
    (found,) = [text.split() for text in ended.stdout.splitlines() if "Signature0" in text]
    assert "2" in found
    assert shlex.split(line)[0] == sys.executable


def test_the_command_is_written_so_that_a_shell_finds_it(tmp_path, monkeypatch):
    beside = Path(sys.executable).with_name("headrace")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shlex.split(listing_line("/x y/headrace.json")) == [
        str(beside),
        "dataset",
        "ls",
        "--config",
        "/x y/headrace.json",
    ]
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "headrace").touch(mode=0o700)
    assert listing_line("/x/headrace.json") == "headrace dataset ls --config /x/headrace.json"
    assert listing_line("/x/headrace.json", "ui") == "headrace ui --config /x/headrace.json"
