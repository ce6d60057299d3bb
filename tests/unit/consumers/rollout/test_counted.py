"""What an arm counted, and the means that follow from it."""

import random
from statistics import fmean, variance

import pytest

from headrace_consumers.rollout.counted import MIN_BATCHES, Counted, Scores, Usage, p99_bound_s, vector_of
from headrace_schemas.latency import BOUNDS_S
from tests.support.statistics import call_statistics


def _counted(latencies_s: list[float], errors: int = 0, cancelled: int = 0, bound_s: float | None = None) -> Counted:
    row = call_statistics(latencies_s, {"ValueError": errors}, cancelled)
    return Counted().plus(vector_of(row), bound_s)


def test_cancelled_calls_are_neither_calls_nor_failures() -> None:
    counted = _counted([0.5] * 10, errors=2, cancelled=3)
    assert (counted.calls, counted.failures, counted.cancelled) == (7, 2, 3)


def test_the_mean_is_exact_and_the_variance_is_never_too_small() -> None:
    draw = random.Random(1)
    latencies = [draw.lognormvariate(0, 0.8) for _ in range(5_000)]
    mean = _counted(latencies).latency
    assert mean is not None
    assert mean.mean == pytest.approx(fmean(latencies))
    assert variance(latencies) <= mean.variance <= 6 * variance(latencies)


def test_calls_above_all_bounds_count_in_the_variance_too() -> None:
    latencies = [100.0, 200.0, 300.0]
    mean = _counted(latencies).latency
    assert mean is not None
    assert mean.variance >= variance(latencies)


def test_the_bound_of_slow_calls_is_a_bound_of_the_histogram_above_the_ratio() -> None:
    assert p99_bound_s(_counted([0.3] * 199), 1.5) is None
    assert p99_bound_s(_counted([0.3] * 198 + [0.6] * 2), 1.5) == 0.64
    assert p99_bound_s(_counted([0.3] * 190 + [0.6] * 10), 1.5) == 1
    assert p99_bound_s(_counted([100.0] * 200), 1.5) == BOUNDS_S[-1]


def test_slow_calls_are_counted_from_when_their_bound_is_known() -> None:
    counted = _counted([2.0] * 5)
    assert (counted.timed, counted.slow) == (0, 0)
    counted = counted.plus(vector_of(call_statistics([0.9, 1.0, 1.1, 50.0])), 1.0)
    assert (counted.timed, counted.slow) == (4, 2)


def test_the_mean_cost_and_its_variance_are_those_of_batches() -> None:
    draw = random.Random(2)
    estimates, predicted = [], []
    for _ in range(300):
        usage = Usage()
        for _ in range(50):
            sampled = draw.randrange(5, 15)
            usage = usage.plus(sampled, 10 * sampled, 10 * sum(draw.expovariate(100) for _ in range(sampled)))
        mean = usage.mean
        assert mean is not None
        estimates.append(mean.mean)
        predicted.append(mean.variance / mean.calls)
    assert fmean(estimates) == pytest.approx(0.01, rel=0.02)
    assert fmean(predicted) == pytest.approx(variance(estimates), rel=0.25)


def test_a_cost_of_few_batches_is_not_known() -> None:
    usage = Usage()
    for _ in range(MIN_BATCHES - 1):
        usage = usage.plus(5, 50, 0.5)
    assert usage.mean is None
    assert usage.plus(0, 0, 0).mean is None  # nothing was sampled: no batch
    assert usage.plus(5, 50, 0.5).mean is not None


def test_scores_have_the_mean_and_variance_of_what_was_given() -> None:
    scores, given = Scores(), [0.0, 1.0, 1.0, 0.5]
    for each in given:
        scores = scores.plus(each)
    mean = scores.mean
    assert mean is not None
    assert (mean.calls, mean.mean) == (4, pytest.approx(fmean(given)))
    assert mean.variance == pytest.approx(variance(given) * 3 / 4)
    assert Scores().mean is None
