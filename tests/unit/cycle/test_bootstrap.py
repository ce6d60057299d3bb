"""The paired bootstrap: what it says of two programs on the same examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_consumers.cycle.bootstrap import compared

SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30)


def test_a_candidate_that_is_better_on_every_example_by_as_much_has_no_doubt():
    found = compared([0.2, 0.4, 0.6], [0.3, 0.5, 0.7], confidence=0.95, seed=1)
    assert found.baseline == pytest.approx(0.4)
    assert found.candidate == pytest.approx(0.5)
    assert [found.low, found.difference, found.high] == pytest.approx([0.1, 0.1, 0.1])
    assert found.relative == pytest.approx(0.25)


def test_the_same_programs_differ_by_nothing():
    found = compared([1, 0, 1], [1, 0, 1], confidence=0.95, seed=1)
    assert (found.low, found.difference, found.high) == (0, 0, 0)


def test_what_is_better_than_nothing_is_better_by_no_share():
    assert compared([0, 0], [1, 0], confidence=0.95, seed=1).relative is None


def test_pairing_tells_what_the_spread_of_the_examples_would_hide():
    random = np.random.default_rng(3)
    hard = random.uniform(0, 1, 100)  # the examples differ by far more than the programs
    better = hard + 0.02 + random.normal(0, 0.02, 100)
    assert compared(hard, better, confidence=0.95, seed=1).low > 0
    assert compared(hard, random.permutation(better), confidence=0.95, seed=1).low < 0


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        before = random.binomial(1, 0.6, 80)
        after = np.where(random.uniform(size=80) < 0.3, random.binomial(1, 0.7, 80), before)
        found = compared(before, after, confidence=0.9, seed=7, resamples=500)
        held += found.low <= 0.3 * 0.1 <= found.high
    assert 0.84 <= held / 300 <= 0.96


@settings(max_examples=60, deadline=None)
@given(pairs=SCORES, seed=st.integers(0, 5))
def test_the_same_scores_give_the_same_interval_and_it_holds_between_the_extremes(pairs, seed):
    before, after = zip(*pairs, strict=True)
    one = compared(before, after, confidence=0.95, seed=seed, resamples=200)
    assert one == compared(before, after, confidence=0.95, seed=seed, resamples=200)
    differences = [b - a for a, b in pairs]
    assert min(differences) - 1e-9 <= one.low <= one.high <= max(differences) + 1e-9


@settings(max_examples=40, deadline=None)
@given(pairs=SCORES)
def test_swapping_the_programs_turns_the_interval_round(pairs):
    before, after = zip(*pairs, strict=True)
    there = compared(before, after, confidence=0.9, seed=2, resamples=200)
    back = compared(after, before, confidence=0.9, seed=2, resamples=200)
    assert [back.low, back.high] == pytest.approx([-there.high, -there.low], abs=1e-9)


def test_scores_that_are_not_pairs_are_refused():
    with pytest.raises(ValueError, match="2 scores of the baseline and 1"):
        compared([1, 0], [1], confidence=0.95, seed=1)
    with pytest.raises(ValueError, match="0 scores"):
        compared([], [], confidence=0.95, seed=1)
