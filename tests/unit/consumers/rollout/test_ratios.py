"""The interval of a ratio of means."""

from math import inf

import numpy as np

from headrace_consumers.rollout.ratios import MIN_CALLS, Mean, ratio_bounds


def test_it_holds_the_ratio_of_the_means_and_narrows_with_calls() -> None:
    widths = []
    for calls in (200, 2_000, 20_000):
        lower, upper = ratio_bounds(Mean(calls, 1.2, 1.0), Mean(9 * calls, 1.0, 1.0), 0.05)
        assert lower < 1.2 < upper
        widths.append(upper - lower)
    assert widths == sorted(widths, reverse=True)


def test_a_few_calls_say_nothing() -> None:
    assert ratio_bounds(Mean(MIN_CALLS - 1, 9.0, 1.0), Mean(10_000, 1.0, 1.0), 0.05) == (0.0, inf)
    assert ratio_bounds(Mean(500, 0.0, 0.0), Mean(500, 1.0, 1.0), 0.05) == (0.0, inf)


def test_an_arm_without_variance_is_no_division_by_zero() -> None:
    assert ratio_bounds(Mean(500, 2.0, 0.0), Mean(500, 1.0, 0.0), 0.05) == (2.0, 2.0)


def test_it_ever_misses_the_ratio_no_more_often_than_agreed() -> None:
    random, alpha, runs, missed = np.random.default_rng(5), 0.1, 300, 0
    for _ in range(runs):
        slow, fast = random.exponential(2.0, 2_000), random.exponential(1.0, 2_000)
        for calls in range(MIN_CALLS, 2_001, 20):
            lower, upper = ratio_bounds(
                Mean(calls, slow[:calls].mean(), slow[:calls].var()),
                Mean(calls, fast[:calls].mean(), fast[:calls].var()),
                alpha,
            )
            if not lower <= 2.0 <= upper:
                missed += 1
                break
    assert missed / runs <= alpha
