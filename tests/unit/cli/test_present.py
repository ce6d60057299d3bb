"""Columns, counts and one-line texts."""

import datetime as dt
import json

from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.cli.present import columns, print_json, print_lines, shares, shortened

CELL = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8))
def test_columns_keep_every_cell_and_no_trailing_blank(rows):
    lines = columns(rows, right=frozenset({1}))
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert line == line.rstrip()
        assert line.split() == [cell for cell in row if cell]


@given(st.text(max_size=200), st.integers(4, 80))
def test_shortened_is_one_line_within_its_width(text, width):
    line = shortened(text, width)
    assert len(line) <= width
    assert len(line.splitlines()) <= 1


def test_shares_leave_out_what_did_not_happen():
    assert shares({"a": 1, "b": 2000, "c": 0}) == "b 2,000, a 1"


def test_json_has_iso_times_and_survives_lone_surrogates(capsys):
    print_json({"at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "text": "\ud800", "bytes": b"\x01"})
    found = json.loads(capsys.readouterr().out)
    assert found["at"] == "2026-01-02T00:00:00+00:00"
    assert found["bytes"] == "01"


def test_lines_survive_lone_surrogates(capsys):
    print_lines(["a \ud800 b  "])
    assert capsys.readouterr().out == "a \\ud800 b\n"
