"""Figures as a person reads them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.top import words
from headrace_consumers.top.quantile import Between


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0 s"),
        (4.9, "4 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7_199, "119 min"),
        (9_000, "2.5 h"),
        (200_000, "2 days"),
    ],
)
def test_ages(seconds, said):
    assert words.age(seconds) == said


@pytest.mark.parametrize(
    ("ratio", "said"),
    [(1, "100%"), (0.99999, ">99.9%"), (0.999, "99.9%"), (0.9512, "95.1%"), (0.0001, "<0.1%"), (0, "0%")],
)
def test_only_all_is_all_and_only_none_is_none(ratio, said):
    assert words.share(ratio) == said


@pytest.mark.parametrize(
    ("rate", "said"), [(0, "0"), (0.004, "<0.01"), (0.25, "0.25"), (3.44, "3.4"), (99.6, "100"), (12_340, "12.3k")]
)
def test_rates(rate, said):
    assert words.per_second(rate) == said


@given(st.floats(0, 9e11))
def test_amounts_fit_their_column(number):
    assert len(words.amount(number)) <= 5


@pytest.mark.parametrize(
    ("number", "said"), [(950, "950"), (999.6, "1k"), (12_345, "12.3k"), (999_600, "1M"), (4.5e6, "4.5M"), (2e9, "2G")]
)
def test_amounts(number, said):
    assert words.amount(number) == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "-"),
        (Between(0, 0.01), "0-10 ms"),
        (Between(0.08, 0.16), "80-160 ms"),
        (Between(0.64, 1), "0.64-1 s"),
        (Between(3, 5), "3-5 s"),
        (Between(81.92, math.inf), "> 81.92 s"),
    ],
)
def test_latencies(found, said):
    assert words.latency(found) == said


@pytest.mark.parametrize(
    ("usd", "said"), [(0, "$0"), (0.00001, "<$0.0001"), (0.0123, "$0.0123"), (1.25, "$1.25"), (1204, "$1,204")]
)
def test_money(usd, said):
    assert words.dollars(usd) == said


def test_costs_sizes_and_counts():
    assert words.cost(None) == "-"
    assert words.cost(Between(0.02, 0.05)) == "$0.02-0.05"
    assert words.cost(Between(5, math.inf)) == "> $5"
    assert [words.size(number) for number in (512, 1_234, 3.4e8, 2e12)] == ["512 B", "1.2 kB", "340 MB", "2 TB"]
    assert [words.counted(number, "record") for number in (0, 1, 1204)] == ["0 records", "1 record", "1,204 records"]
