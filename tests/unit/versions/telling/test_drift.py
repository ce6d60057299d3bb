"""How far two samples are apart: the stated formula, its bounds, and what chance alone shows."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.versions.telling.drift import binned, drift, edges_of, expected, jensen_shannon

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1000), min_size=1).filter(lambda c: sum(c.values()))


def entropy(shares):
    return -sum(share * math.log2(share) for share in shares if share)


@given(COUNTS, COUNTS)
def test_it_is_the_formula_of_the_docstring_and_symmetric(first, second):
    n, m = sum(first.values()), sum(second.values())
    pairs = [(first.get(name, 0) / n, second.get(name, 0) / m) for name in {*first, *second}]
    divergence = (
        entropy((p + q) / 2 for p, q in pairs) - (entropy(p for p, _ in pairs) + entropy(q for _, q in pairs)) / 2
    )
    assert jensen_shannon(first, second) ** 2 == pytest.approx(divergence, abs=1e-9)
    assert jensen_shannon(first, second) == pytest.approx(jensen_shannon(second, first), abs=1e-9)
    assert 0 <= jensen_shannon(first, second) <= 1


@given(COUNTS, st.integers(1, 9))
def test_the_same_shares_are_no_distance_apart(counts, times):
    assert jensen_shannon(counts, {name: count * times for name, count in counts.items()}) == pytest.approx(0, abs=1e-6)


def test_nothing_in_common_is_one():
    assert drift({"a": 500}, {"b": 300}).distance == 1
    assert drift({"a": 500}, {"b": 300}).has_drifted


def test_an_empty_sample_has_no_distance():
    assert (drift({}, {"a": 1}).distance, drift({}, {"a": 1}).has_drifted) == (None, False)


@pytest.mark.parametrize(("n", "m", "categories"), [(200, 300, 5), (1000, 100, 10), (5000, 5000, 3)])
def test_samples_of_one_population_are_as_far_apart_as_chance_is_said_to_make_them(n, m, categories):
    source = random.Random(7)
    names = [str(number) for number in range(categories)]
    squares = []
    for _ in range(300):
        samples = [Counter(source.choices(names, k=size)) for size in (n, m)]
        squares.append(jensen_shannon(*samples) ** 2)
    assert math.sqrt(sum(squares) / len(squares)) == pytest.approx(expected(categories, n, m), rel=0.1)


def test_a_few_examples_that_differ_are_no_drift_and_many_are():
    assert not drift({"a": 3, "b": 2}, {"a": 2, "b": 3}).has_drifted
    assert drift({"a": 3000, "b": 2000}, {"a": 2000, "b": 3000}).has_drifted


@given(st.lists(st.floats(-1e6, 1e6), max_size=200))
def test_every_number_falls_into_a_bin_and_equal_ones_into_one(values):
    edges = edges_of(values)
    counts = binned(values, edges)
    assert counts.total() == len(values)
    assert len(counts) <= 10
    assert edges == sorted(set(edges))


def test_numbers_above_and_below_all_that_there_were_have_bins_of_their_own():
    assert drift(binned([9] * 500, edges_of([9] * 500)), binned([10] * 500, edges_of([9] * 500))).distance == 1
    assert binned([1, 9, 20], edges_of([9])).total() == len(binned([1, 9, 20], edges_of([9]))) == 3


def test_the_bins_of_distinct_numbers_hold_a_tenth_each():
    counts = binned(range(1000), edges_of(range(1000)))
    assert sorted(counts.values()) == [100] * 10
