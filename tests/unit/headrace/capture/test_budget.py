"""Copying on the caller's thread stops where the budget does, and what is cut says so and never is an example."""

import array
import itertools
from decimal import Decimal

import dspy
import numpy as np
import pytest
from pydantic import BaseModel

import headrace
from headrace.capture.budget import MAX_PARTS, Budget
from headrace.capture.feedback import checked
from headrace.capture.scope import request
from headrace.capture.values import to_json
from headrace.captured import CUT_MARK
from tests.unit.headrace.capture.offline import Echo, Program


class Model(BaseModel):
    numbers: list[int]
    text: str = "t"


def parts(value):
    """Return how many values there are in a JSON value."""
    if isinstance(value, dict):
        return 1 + sum(map(parts, value.values()))
    return 1 + sum(map(parts, value)) if isinstance(value, list) else 1


def encoded(value, max_bytes=262_144):
    budget = Budget(max_bytes)
    return to_json(value, budget), budget.is_cut


def test_what_fits_is_whole():
    value = {"numbers": list(range(MAX_PARTS - 2)), "text": "x" * 10_000_000}
    assert encoded(value) == (value, False)


# Made when its test runs: together they are more than a gigabyte, in each process of a test run.
_MANY_PARTS = {
    "list": lambda: list(range(10_000_000)),
    "tuple": lambda: tuple(range(10_000_000)),
    "dict": lambda: dict.fromkeys(range(5_000_000), 0),
    "lists in a dict": lambda: {"inner": [list(range(1536)) for _ in range(1000)]},
    "lists of lists": lambda: [[[1] * 100 for _ in range(100)] for _ in range(100)],
    "vectors": lambda: [{"text": "x", "vector": (0.5,) * 1536} for _ in range(1000)],
    "models": lambda: [Model(numbers=[1, 2, 3]) for _ in range(50_000)],
    "sets": lambda: [{1, 2, 3} for _ in range(50_000)],
    "set": lambda: set(range(2_000_000)),
    "frozenset as a key": lambda: {frozenset(range(100_000)): 1},
    "tuple as a key": lambda: {(1,) * 1_000_000: 1},
    "one dict many times": lambda: [{"a": {"b": {"c": 1}}}] * 1_000_000,
    "arrays": lambda: [np.zeros(1000) for _ in range(1000)],
    "array of objects": lambda: np.array([[1, 2]] * 100_000, dtype=object),
    "Example": lambda: dspy.Example(question=[1] * 1_000_000),
    "History": lambda: dspy.History(messages=[{"question": "a", "answer": "b"}] * 100_000),
}


@pytest.mark.parametrize("make", _MANY_PARTS.values(), ids=_MANY_PARTS)
def test_no_more_parts_are_copied_than_the_budget_has(make):
    copy, is_cut = encoded(make())
    assert is_cut
    assert parts(copy) <= MAX_PARTS + 2_000  # a mark for each list that was cut
    assert CUT_MARK in str(copy)


_MANY_BYTES = {
    "bytes": lambda: bytes(300_000),
    "bytearray": lambda: bytearray(300_000),
    "memoryview": lambda: memoryview(bytes(300_000)),
    "memoryview of doubles": lambda: memoryview(array.array("d", bytes(8 * 300_000))),
    "Text": lambda: type("Text", (str,), {})("x" * 300_000),
    "Decimal": lambda: Decimal("1" * 800_000),
    "set": lambda: {"x" * 100_000, "y" * 100_000, "z" * 100_000},
    "array": lambda: np.array(["x" * 300_000]),
    "list": lambda: [b"x" * 100_000] * 3,
}


@pytest.mark.parametrize("make", _MANY_BYTES.values(), ids=_MANY_BYTES)
def test_no_more_bytes_are_copied_than_the_budget_has(make):
    copy, is_cut = encoded(make())
    assert is_cut
    assert len(str(copy)) < 3 * 110_000
    assert CUT_MARK in str(copy)


def test_an_array_that_is_too_large_is_its_shape_and_type():
    class Never(np.ndarray):
        def tolist(self):
            raise AssertionError

    large = np.zeros((1000, 1536), dtype=np.float32)
    assert encoded({"vectors": large}) == ({"vectors": f"<ndarray 1000x1536 float32>{CUT_MARK}"}, True)
    assert encoded(large.view(Never)) == (
        "<unencodable test_an_array_that_is_too_large_is_its_shape_and_type.<locals>.Never>",
        False,
    )


def test_an_array_in_a_file_is_not_read(tmp_path):
    numbers = np.memmap(tmp_path / "numbers", dtype="f8", mode="w+", shape=(3,))
    assert encoded(numbers) == ("<unencodable memmap>", False)


def test_a_text_by_the_plain_type_is_not_copied():
    text = "x" * 50_000_000
    assert encoded({"text": text})[0]["text"] is text


def test_the_beginning_of_a_cut_text_is_readable_where_a_character_is_cut_in_two():
    assert encoded("ä".encode() * 200_000) == ("ä" * 128 + CUT_MARK, True)
    assert encoded(b"x" + "ä".encode() * 200_000) == ("x" + "ä" * 127 + CUT_MARK, True)
    assert encoded(b"\xff" * 300_000)[0].endswith(CUT_MARK)


def test_a_field_holds_no_more_parts_than_its_json_has_room_for():
    assert encoded([0] * 500, max_bytes=1024) == ([0] * 500, False)
    assert encoded([0] * 600, max_bytes=1024) == ([0] * 32 + [CUT_MARK], True)


@pytest.mark.parametrize("side", ["input", "output", "attributes"])
def test_a_record_of_which_something_was_left_out_says_so(everything, side):
    class Answers(dspy.Module):
        def forward(self, question):
            return dspy.Prediction(answer=[0] * 30_000 if side == "output" and question == "large" else "x")

    large = {"large": [0] * 30_000}
    program = headrace.instrument(Answers(), "qa")
    with request("r", attributes=large if side == "attributes" else {"a": 1}):
        program(question=large if side == "input" else "large")
    program(question="x")
    cut, whole = everything.calls
    assert (cut.truncated, whole.truncated) == (True, False)


def test_a_child_is_cut_by_itself(everything):
    program = headrace.instrument(Program(), "qa")
    program(question="x" * 10)
    assert [call.truncated for call in everything.calls] == [False] * 3


def test_a_stream_of_large_items_is_cut_as_one(everything):
    program = headrace.instrument(Echo(), "echo")
    taken = list(program(value=(chunk for chunk in itertools.repeat([0] * 1000, 100))))
    assert len(taken) == 100
    call = everything.calls[0]
    assert call.truncated
    assert parts(call.output) <= MAX_PARTS + 200


def test_feedback_of_which_something_was_left_out_says_so():
    assert checked("r", correction={"numbers": [0] * 30_000}).truncated
    assert not checked("r", correction={"numbers": [0]}).truncated


def test_what_the_host_changes_later_does_not_change_the_record(everything):
    class Changes(dspy.Module):
        def forward(self, documents):
            documents[0]["vector"][:] = 9
            documents.append("more")
            return dspy.Prediction(documents=documents)

    documents = [{"vector": np.zeros(3), "raw": bytearray(b"abc")}]
    output = headrace.instrument(Changes(), "qa")(documents=documents)
    documents[0]["raw"][:] = b"xyz"
    output.documents.clear()
    (call,) = everything.calls
    assert call.input == {"documents": [{"vector": [0, 0, 0], "raw": "abc"}]}
    assert call.output == {"documents": [{"vector": [9, 9, 9], "raw": "abc"}, "more"]}
