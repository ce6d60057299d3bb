"""Which bucket a latency falls into, and which bound is nearest to a threshold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_schemas import latency


@given(st.floats(0, 1e4))
def test_a_latency_is_at_most_its_buckets_bound_and_more_than_the_one_before(latency_s: float) -> None:
    bounds = (-math.inf, *latency.BOUNDS_S, math.inf)
    bucket = latency.bucket_of(latency_s)
    assert bounds[bucket] < latency_s <= bounds[bucket + 1]


def test_a_bound_itself_belongs_to_its_bucket() -> None:
    assert [latency.bucket_of(bound) for bound in latency.BOUNDS_S] == list(range(len(latency.BOUNDS_S)))
    assert all(map(latency.is_bound, latency.BOUNDS_S))
    assert not latency.is_bound(2.0)


@pytest.mark.parametrize(("threshold_s", "nearest_s"), [(2.0, 2.56), (4.9, 5.0), (1e-6, 0.01), (1e6, 81.92), (3, 3)])
def test_the_nearest_bound(threshold_s: float, nearest_s: float) -> None:
    assert latency.nearest_bound_s(threshold_s) == nearest_s
