"""The metrics that come with Headrace, type by type."""

import datetime as dt
from dataclasses import dataclass
from enum import Enum

import dspy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.cycle.typed_metric import likeness, typed_metric


class Queue(Enum):
    BILLING = "billing"


@dataclass
class Address:
    street: str
    number: int


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-5, 5) | st.text("ab c", max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("wanted", "got", "exact", "auto", "fuzzy"),
    [
        ("billing", "Billing!", 1, 1, 1),
        ("billing", "shipping", 0, 0, 0),
        ("to the billing team", "the billing team", 0, 0, 6 / 7),
        ("we send a new one within three days", "we send one in three days", 0, 10 / 14, 10 / 14),
        (3, 3, 1, 1, 1),
        (3, 4, 0, 0, 0),
        (True, 1, 0, 0, 0),
        (0.1, 0.1 + 1e-12, 1, 1, 1),
        (0.1, 0.1 + 1e-8, 0, 1, 1),
        (None, "x", 0, 0, 0),
        ([1, 2], [2, 1], 0, 1, 1),
        ([1, 2], [1], 0, 2 / 3, 2 / 3),
        ([], [], 1, 1, 1),
        ({1, 2}, {2, 1}, 1, 1, 1),
        ({1, 2}, {2}, 0, 2 / 3, 2 / 3),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, 0, 0.5, 0.5),
        ({"a": 1}, {"a": 1, "b": 3}, 0, 0.5, 0.5),
        (Queue.BILLING, Queue.BILLING, 1, 1, 1),
        (Address("High Street", 7), Address("High Street", 8), 0, 0.5, 0.5),
        (dt.date(2026, 11, 27), dt.date(2026, 11, 27), 1, 1, 1),
        (dt.date(2026, 11, 27), dt.date(2026, 11, 28), 0, 0, 0),
        ("??", "??", 1, 1, 1),
        ("", "x", 0, 0, 0),
    ],
)
def test_how_like_two_values_are(wanted, got, exact, auto, fuzzy):
    assert [likeness(wanted, got, manner) for manner in ("exact", "auto", "fuzzy")] == pytest.approx(
        [exact, auto, fuzzy]
    )


@given(value=JSON, other=JSON)
def test_likeness_is_a_share_and_a_value_is_like_itself(value, other):
    for manner in ("exact", "auto", "fuzzy"):
        assert likeness(value, value, manner) == 1
        assert 0 <= likeness(value, other, manner) <= 1
        assert likeness(value, other, manner) == pytest.approx(likeness(other, value, manner)) or manner == "auto"


@given(value=JSON, other=JSON)
def test_what_is_exactly_alike_is_alike_in_every_manner(value, other):
    if likeness(value, other, "exact") == 1:
        assert likeness(value, other, "fuzzy") == pytest.approx(1)


def test_the_score_is_the_mean_over_the_outputs_without_what_dspy_adds():
    metric = typed_metric(["reasoning", "queue", "urgent"], "auto")
    example = dspy.Example(ticket="t", reasoning="because", queue="billing", urgent=True).with_inputs("ticket")
    assert metric(example, dspy.Prediction(reasoning="else", queue="billing", urgent=False)) == 0.5
    assert metric(example, dspy.Prediction(queue="billing")) == 0.5


def test_a_bootstrapped_demo_must_be_right_altogether():
    metric = typed_metric(["queue", "urgent"], "auto")
    example = dspy.Example(ticket="t", queue="billing", urgent=True).with_inputs("ticket")
    assert metric(example, dspy.Prediction(queue="billing", urgent=False), trace=[]) is False
    assert metric(example, dspy.Prediction(queue="billing", urgent=True), trace=[]) is True
