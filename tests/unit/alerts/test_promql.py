"""The small change of PromQL."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.metrics.alerts.promql import at_most, named, number, percent
from headrace_consumers.metrics.alerts.rule import duration, spoken
from headrace_schemas.latency import BOUNDS_S

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@given(st.integers(1, 10**8))
def test_a_duration_says_how_many_seconds_it_is(seconds: int) -> None:
    text = duration(seconds)
    assert int(text[:-1]) * _SECONDS[text[-1]] == seconds


@pytest.mark.parametrize(
    ("seconds", "written", "said"),
    [(1, "1s", "1 second"), (90, "90s", "90 seconds"), (900, "15m", "15 minutes"), (3 * 86_400, "3d", "3 days")],
)
def test_a_duration_is_in_its_largest_whole_unit(seconds: int, written: str, said: str) -> None:
    assert (duration(seconds), spoken(seconds)) == (written, said)


@pytest.mark.parametrize("bound", [*BOUNDS_S, 0.05, 1e-05, 0.0123, 1e6])
def test_a_bucket_is_found_however_its_bound_is_written(bound: float) -> None:
    kind, _, pattern = at_most(bound).partition('"')
    pattern = pattern.rstrip('"')
    for written in {repr(bound), f"{bound:g}"}:
        assert (re.fullmatch(pattern, written) is not None) if kind == "le=~" else written == pattern
    assert not any(re.fullmatch(pattern, repr(other)) for other in BOUNDS_S if other != bound)


def test_numbers_are_free_of_floating_point_noise() -> None:
    assert number(14.4 * (1 - 0.95)) == "0.72"
    assert percent(1 - 0.95) == "5%"
    assert percent(0.999) == "99.9%"


def test_a_metric_that_nobody_serves_has_no_rule() -> None:
    with pytest.raises(KeyError):
        named("headrace_call_total")
