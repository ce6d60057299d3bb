"""Nothing that was captured is taken for markup, or changes how the text around it is read."""

import datetime as dt
import re

from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.ui.render import Renderer, figure, long, moment, short, size
from tests.support.ui_world import ATTACKS

RENDERER = Renderer([("Signatures", "/")], "/style.css")
TAG = re.compile(r"<[^>]*>")


def problem(line):
    return RENDERER.render("problem.html", "/", {"title": line, "line": line, "command": lambda *_: ""})


@given(st.one_of(st.sampled_from(ATTACKS), st.text("<>&\"'/ =ax{}%-", max_size=60)))
def test_a_text_adds_no_tag_and_no_attribute(text):
    assert TAG.findall(problem(text)) == TAG.findall(problem("plain"))


@given(st.text(max_size=300))
def test_any_text_can_be_shown_and_has_no_hidden_characters(text):
    for shown in (short(text), long(text)):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
        shown.encode()


def test_lines_are_kept_in_long_texts_only():
    assert long("a\r\n\tb") == "a\n\tb"
    assert short("a\n\tb") == "a b"
    assert long("x" * 30_000).endswith("\n\u2026 10,000 more characters")
    assert len(short("x" * 30_000)) == 160
    assert long("right \u202emoc") == "right \\u202emoc"
    assert long({"a": [1, "\u00fc"]}) == '{\n "a": [\n  1,\n  "\u00fc"\n ]\n}'


def test_figures_have_four_digits_and_large_ones_all():
    told = [figure(number) for number in (None, 0, 0.123456, 1.0, 999.96, 1234.5, 12_345_678, -5_000.0)]
    assert told == ["\u2013", "0", "0.1235", "1", "1000", "1,234", "12,345,678", "-5,000"]


def test_times_and_sizes():
    assert moment(1_795_000_000_000) == "2026-11-18 11:06:40"
    assert moment(dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)) == "2026-01-02 03:04:05"
    assert (moment(None), moment(10**20), moment(dt.date(2026, 1, 2))) == ("", "1e+20 ms", "2026-01-02")
    assert [size(number) for number in (0, 999, 1_500, 2_000_000, 3.2e12)] == [
        "0 B", "999 B", "1.5 kB", "2.0 MB", "3,200.0 GB",
    ]  # fmt: skip
