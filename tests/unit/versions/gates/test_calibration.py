"""A judge's scores against people's: the curve rises, is never worse than none on its own examples, and is honest."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.versions.gates.calibration import FEWEST, calibrated

SHARE = st.floats(0, 1)
PAIRS = st.lists(st.tuples(SHARE, SHARE), min_size=FEWEST, max_size=60)


@given(PAIRS, st.lists(SHARE, min_size=2, max_size=10))
def test_the_curve_rises_and_stays_among_peoples_scores(pairs, asked):
    found = calibrated(pairs)
    values = [found.of(score) for score in sorted(asked)]
    assert all(one <= other + 1e-9 for one, other in pairwise(values))
    people = [each for _, each in pairs]
    assert all(min(people) - 1e-9 <= value <= max(people) + 1e-9 for value in values)


@given(PAIRS)
def test_no_rising_step_is_nearer_to_its_own_pairs(pairs):
    found = calibrated(pairs)
    by_curve = sum((found.of(score) - people) ** 2 for score, people in pairs)
    mean = sum(people for _, people in pairs) / len(pairs)
    assert by_curve <= sum((score - people) ** 2 for score, people in pairs) + 1e-9
    assert by_curve <= sum((mean - people) ** 2 for _, people in pairs) + 1e-9


def test_a_judge_that_says_twice_as_much_is_put_right():
    chance = random.Random(1)
    pairs = [(min(1.0, 2 * people), people) for people in (chance.random() / 2 for _ in range(200))]
    found = calibrated(pairs)
    assert found.correlation == pytest.approx(1)
    assert found.error > 0.2
    assert found.calibrated_error < 0.02
    assert found.of(0.6) == pytest.approx(0.3, abs=0.03)


def test_a_judge_that_knows_nothing_is_told_by_its_error_on_others():
    chance = random.Random(2)
    found = calibrated([(chance.random(), float(chance.random() > 0.5)) for _ in range(200)])
    assert abs(found.correlation) < 0.2
    assert found.calibrated_error > 0.4


def test_few_pairs_give_no_curve_and_raw_scores_stand():
    found = calibrated([(0.9, 0.1)] * (FEWEST - 1))
    assert (found.curve, found.calibrated_error, found.correlation) == (None, None, None)
    assert found.of(0.7) == 0.7
    assert found.error == pytest.approx(0.8)


def test_nothing_to_compare():
    found = calibrated([])
    assert (found.pairs, found.error, found.bins) == (0, None, ())


def test_bins_tell_both_means():
    assert calibrated([(0.1, 0.3), (0.15, 0.5), (1.0, 0.9)]).as_dict()["bins"] == [
        [0.0, 0.2, 2, pytest.approx(0.125), pytest.approx(0.4)],
        [0.8, 1.0, 1, 1.0, 0.9],
    ]
