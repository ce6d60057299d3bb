"""Evidence on the difference of two shares: right at a point, convex, and valid at all times at once."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.rollout.proportions import (
    Arm,
    Pair,
    bounds_of,
    evidence_against,
    is_above,
    is_below,
    share_evidence,
)

_ARMS = st.integers(0, 2000).flatmap(lambda calls: st.builds(Arm, st.just(calls), st.integers(0, calls)))
_PAIRS = st.builds(Pair, _ARMS, _ARMS)
_DIFFERENCES = st.floats(-0.95, 0.95)


def _of_a_grid(pair: Pair, difference: float) -> float:
    """The same evidence, by trying 10,000 shares."""
    low, high = max(0.0, -difference) + 1e-12, min(1.0, 1 - difference) - 1e-12
    shares = np.linspace(low, high, 10_001)
    with np.errstate(all="ignore"):
        logs = sum(
            np.where(count > 0, count * np.log(share), 0.0)
            for arm, share_of_hits in ((pair.baseline, shares), (pair.candidate, shares + difference))
            for count, share in ((arm.hits, share_of_hits), (arm.calls - arm.hits, 1 - share_of_hits))
        )
    point = float(shares[np.nanargmax(logs)])
    return share_evidence(pair.baseline, point) + share_evidence(pair.candidate, min(max(point + difference, 0.0), 1.0))


@given(_PAIRS, _DIFFERENCES)
def test_no_share_explains_both_arms_better_than_the_one_that_is_found(pair: Pair, difference: float) -> None:
    assert evidence_against([pair], difference) <= _of_a_grid(pair, difference) + 1e-6


@given(_PAIRS, _DIFFERENCES, _DIFFERENCES)
def test_evidence_is_convex(pair: Pair, one: float, other: float) -> None:
    between = evidence_against([pair], (one + other) / 2)
    assert between <= (evidence_against([pair], one) + evidence_against([pair], other)) / 2 + 1e-6


@given(st.lists(_PAIRS, min_size=1, max_size=3), st.floats(0.001, 0.5))
def test_an_interval_ends_where_the_evidence_reaches_its_limit(pairs: list[Pair], alpha: float) -> None:
    lower, upper = bounds_of(pairs, alpha)
    assert -1 <= lower <= upper <= 1
    if lower < upper:
        assert evidence_against(pairs, (lower + upper) / 2) <= log(1 / alpha) + 1e-6
    for bound in (lower, upper):
        if abs(bound) < 1 - 1e-6 and lower < upper:
            assert evidence_against(pairs, bound) == pytest.approx(log(1 / alpha), rel=1e-3, abs=1e-3)


@given(st.lists(_PAIRS, min_size=1, max_size=3), _DIFFERENCES, st.floats(0.001, 0.5))
def test_a_difference_is_above_or_below_or_neither_as_the_interval_says(
    pairs: list[Pair], difference: float, alpha: float
) -> None:
    lower, upper = bounds_of(pairs, alpha)
    if lower < upper and min(abs(lower - difference), abs(upper - difference)) > 1e-6:
        assert is_above(pairs, difference, alpha) == (lower > difference)
        assert is_below(pairs, difference, alpha) == (upper < difference)
    assert not (is_above(pairs, difference, alpha) and is_below(pairs, difference, alpha))


@given(_PAIRS, st.floats(0.001, 0.5))
def test_an_interval_holds_the_difference_that_was_counted(pair: Pair, alpha: float) -> None:
    lower, upper = bounds_of([pair], alpha)
    if pair.candidate.calls and pair.baseline.calls:
        counted = pair.candidate.hits / pair.candidate.calls - pair.baseline.hits / pair.baseline.calls
        assert lower - 1e-6 <= counted <= upper + 1e-6


@pytest.mark.parametrize("share", [0, 1])
def test_arms_that_never_fail_or_always_do_are_alike(share: int) -> None:
    lower, upper = bounds_of([Pair(Arm(2_000, 2_000 * share), Arm(2_000, 2_000 * share))] * 2, 0.05)
    assert lower == pytest.approx(-upper)
    assert 0.001 < upper < 0.01


def test_nothing_counted_proves_nothing() -> None:
    nothing = [Pair(Arm(0, 0), Arm(0, 0))]
    assert evidence_against(nothing, 0.3) == 0
    assert bounds_of(nothing, 0.05) == (-1, 1)


def test_a_stage_with_more_failures_in_both_arms_proves_no_difference() -> None:
    """Pooled, 10% at a tenth of the traffic and 50% at a half would look like a difference: Simpson's paradox."""
    stages = [Pair(Arm(1000, 100), Arm(9000, 900)), Pair(Arm(5000, 2500), Arm(5000, 2500))]
    pooled = [Pair(Arm(6000, 2600), Arm(14000, 3400))]
    assert is_above(pooled, 0.0, 0.001)
    assert evidence_against(stages, 0.0) < 0


def test_calls_that_come_together_prove_as_much_as_one() -> None:
    many = Pair(Arm(500, 100), Arm(4500, 225))
    one_in_ten = Pair(many.candidate.thinned(10), many.baseline.thinned(10))
    assert is_above([many], 0.0, 0.01)
    assert not is_above([one_in_ten], 0.0, 0.01)
    assert many.candidate.thinned(1) == many.candidate


def test_the_truth_is_refuted_no_more_often_than_agreed_and_what_is_wrong_nearly_always() -> None:
    random, alpha, runs = np.random.default_rng(3), 0.2, 100
    refuted = {0.05: 0, -0.1: 0}
    for _ in range(runs):
        candidate = np.cumsum(random.random(600) < 0.15)
        baseline = np.cumsum(random.binomial(3, 0.10, 600))
        for difference in refuted:
            refuted[difference] += any(
                evidence_against([Pair(Arm(at + 1, candidate[at]), Arm(3 * (at + 1), baseline[at]))], difference)
                >= log(1 / alpha)
                for at in range(0, 600, 5)
            )
    assert refuted[0.05] / runs <= alpha
    assert refuted[-0.1] / runs >= 0.95


@pytest.mark.parametrize(("calls", "hits"), [(5, 6), (5, -1), (-1, 0)])
def test_impossible_counts_are_refused(calls: int, hits: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} of {calls}"):
        Arm(calls, hits)
