"""The memory of a captured call: near enough to bound a queue by, at a cost that does not grow with the call."""

import sys
from typing import Any

import pytest

from headrace.captured import CapturedFeedback
from headrace.delivery.footprint import footprint
from tests.unit.headrace.calls import captured_call

MB = 1_000_000


def held(value: Any) -> int:
    """Return what a value really holds."""
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        return size + sum(held(key) + held(item) for key, item in value.items())
    return size + (sum(map(held, value)) if isinstance(value, list) else 0)


@pytest.mark.parametrize(
    "value",
    [
        "x" * MB,
        "日本" * MB,
        ["text of its own " * 20 + str(number) for number in range(5000)],
        [{"passage": "p" * (number % 1000), "score": number / 7} for number in range(3000)],
        {f"key-{number}": ["a" * 500] * 3 for number in range(400)},
        [list(range(1000)) for _ in range(100)],
        {"a": {"b": {"c": ["x" * 100_000]}}},
    ],
)
def test_it_is_near_what_the_call_holds(value: Any) -> None:
    estimate = footprint(captured_call(input={"value": value}))
    assert 0.5 < estimate / held(value) < 2


def test_output_error_and_attributes_count_too() -> None:
    small = footprint(captured_call())
    assert small < 5_000
    for field, value in (
        ("output", {"answer": "x" * MB}),
        ("attributes", {"a": ["x" * MB]}),
        ("error", "x" * MB),
    ):
        assert footprint(captured_call(**{field: value})) > MB


def test_feedback_has_one_too() -> None:
    feedback = CapturedFeedback(feedback_id="f", request_id="r", timestamp_ms=0, comment="x" * MB)
    assert MB < footprint(feedback) < 2 * MB


def test_the_work_is_bounded_however_the_call_is_nested() -> None:
    looked_at = 0

    class Looked(list[Any]):
        def __len__(self) -> int:
            nonlocal looked_at
            looked_at += 1
            return super().__len__()

    value: Any = "x"
    for _ in range(4):
        value = Looked([value] * 1000)
    footprint(captured_call(input={"value": value}))
    assert looked_at < 5_000  # not 10**12


def test_depth_does_not_exhaust_the_stack() -> None:
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    assert footprint(captured_call(input={"value": value})) < 10_000
    while isinstance(value, list):  # or freeing it would
        value = value.pop()
