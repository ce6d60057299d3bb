"""Between which bounds a quantile lies."""

import math
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.top.quantile import Between, between, count_above
from headrace_schemas.latency import BOUNDS_S

ENDS = [*BOUNDS_S, math.inf]


def cumulative(latencies_s):
    return {end: sum(each <= end for each in latencies_s) for end in ENDS}


@given(st.lists(st.floats(0.001, 200), min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 0.99]))
def test_the_true_quantile_lies_between_the_bounds(latencies_s, q):
    found = between(cumulative(latencies_s), q)
    true = sorted(latencies_s)[math.ceil(q * len(latencies_s) - 1e-9) - 1]
    assert found.above < true <= found.most
    assert found.most == ENDS[bisect_left(ENDS, true)]


@pytest.mark.parametrize(("slow_s", "exceeds"), [(2.9, False), (3.0, False), (3.1, True)])
def test_a_threshold_that_is_a_bound_is_judged_exactly(slow_s, exceeds):
    assert between(cumulative([0.1] * 98 + [slow_s] * 2), 0.99).exceeds(3.0) is exceeds


def test_one_slow_call_in_a_hundred_is_no_p99():
    assert between(cumulative([0.1] * 99 + [60.0]), 0.99) == Between(0.08, 0.16)


def test_beyond_the_last_bound_there_is_no_upper_one():
    assert between(cumulative([100.0]), 0.5) == Between(81.92, math.inf)


@pytest.mark.parametrize("nothing", [{}, dict.fromkeys(ENDS, 0.0), {1.0: 3.0}])
def test_of_nothing_there_is_no_quantile(nothing):
    assert between(nothing, 0.5) is None


def test_what_is_surely_above_a_limit_is_counted():
    seconds = cumulative([2.0, 3.0, 4.0, 100.0])
    assert [count_above(seconds, limit) for limit in (3.0, 3.5, 1000.0)] == [2, 1, 0]
