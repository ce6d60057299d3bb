"""The intervals of a ratio and of a difference of means."""

from math import inf

import numpy as np
import pytest

from headrace_consumers.rollout.ratios import MIN_CALLS, Mean, difference_bounds, ratio_bounds


def test_it_holds_the_ratio_of_the_means_and_narrows_with_calls() -> None:
    widths = []
    for calls in (200, 2_000, 20_000):
        lower, upper = ratio_bounds(Mean(calls, 1.2, 1.0), Mean(9 * calls, 1.0, 1.0), 0.05)
        assert lower < 1.2 < upper
        widths.append(upper - lower)
    assert widths == sorted(widths, reverse=True)


def test_a_few_calls_say_nothing() -> None:
    assert ratio_bounds(Mean(MIN_CALLS - 1, 9.0, 1.0), Mean(10_000, 1.0, 1.0), 0.05) == (0.0, inf)
    assert ratio_bounds(Mean(500, 1.0, 1.0), Mean(500, 0.0, 0.0), 0.05) == (0.0, inf)


def test_a_candidate_that_costs_nothing_is_cheaper_by_as_much_as_the_baselines_spread_allows() -> None:
    baseline = Mean(500, 1.0, 1.0)
    lower, upper = ratio_bounds(Mean(500, 0.0, 0.0), baseline, 0.05)
    assert lower == 0 < upper < 0.2
    assert difference_bounds(Mean(500, 0.0, 0.0), baseline, 0.05, 1.01 * upper)[1] < 0
    assert difference_bounds(Mean(500, 0.0, 0.0), baseline, 0.05, 0.99 * upper)[1] > 0
    assert ratio_bounds(Mean(100, 0.0, 0.0), Mean(900, 0.001, 0.001), 0.05) == (0.0, inf)  # 1 call in 1,000 has a cost


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


def test_a_difference_is_known_of_means_of_any_sign() -> None:
    assert difference_bounds(Mean(MIN_CALLS - 1, 1.0, 1.0), Mean(10_000, -1.0, 1.0), 0.05) == (-inf, inf)
    for baseline in (-1.0, 0.0, 1.0):
        lower, upper = difference_bounds(Mean(5_000, baseline - 0.3, 1.0), Mean(5_000, baseline, 1.0), 0.05)
        assert lower < -0.3 < upper < 0
        assert (lower + upper) / 2 == pytest.approx(-0.3)
    assert difference_bounds(Mean(5_000, -1.0, 1.0), Mean(5_000, -1.0, 1.0), 0.05, 1.1)[0] > 0


def test_an_arm_that_has_no_hit_of_a_rare_score_yet_is_not_sure_of_it() -> None:
    assert difference_bounds(Mean(300, 0.0, 0.0), Mean(1_500, 0.01, 0.0099), 0.004)[1] > 0


@pytest.mark.parametrize("scores", [(-1, 1), (0, 0, 0, 0, 0, 0, 0, 0, 0, 1), (-5, -1), (0.2, 1.0)], ids=str)
def test_equal_scores_of_any_scale_are_told_apart_no_more_often_than_agreed(scores: tuple[float, ...]) -> None:
    random, alpha, runs, missed = np.random.default_rng(6), 0.1, 200, 0
    for _ in range(runs):
        drawn = random.choice(scores, (2, 2_000))
        sums, squares = drawn.cumsum(1), (drawn**2).cumsum(1)
        for calls in range(MIN_CALLS, 2_001, 20):
            means = sums[:, calls - 1] / calls
            variances = squares[:, calls - 1] / calls - means**2
            here, there = (Mean(calls, float(m), float(v)) for m, v in zip(means, variances, strict=True))
            lower, upper = difference_bounds(here, there, alpha)
            if not lower <= 0 <= upper:
                missed += 1
                break
    assert missed / runs <= alpha
