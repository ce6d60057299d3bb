"""Any value becomes JSON values that its annotation reads back."""

import dataclasses
import enum
import json
import math
from collections import OrderedDict, UserDict, UserList, UserString, deque, namedtuple
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

import dspy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel, SecretStr, TypeAdapter

from headrace.capture.budget import Budget
from headrace.capture.values import MAX_DEPTH, fields_to_json, to_json
from headrace_schemas import canonical


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, "two")


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: int
    tags: set[str]


class Line(BaseModel):
    start: Point
    ends_at: datetime = Field(alias="endsAt")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Names(RootModel[list[str]]):
    pass


Pair = namedtuple("Pair", "left right")  # noqa: PYI024  # the untyped kind is out there

WHEN = datetime(2024, 2, 29, 12, 30, 1, 5, tzinfo=UTC)
READ_BACK: list[tuple[Any, Any]] = [
    (str, "text"),
    (int, 2**80),
    (float, 0.1),
    (bool, True),
    (type(None), None),
    (Literal["a", "b"], "a"),
    (datetime, WHEN),
    (date, WHEN.date()),
    (time, time(1, 2, 3)),
    (timedelta, timedelta(days=3, seconds=4, microseconds=5)),
    (Decimal, Decimal("1.10")),
    (UUID, UUID(int=7)),
    (Path, Path("/tmp/x")),
    (complex, 1 + 2j),
    (bytes, b"plain"),
    (Colour, Colour.RED),
    (Level, Level.LOW),
    (tuple[int, str], (1, "a")),
    (set[int], {3, 1, 2}),
    (frozenset[str], frozenset({"b", "a"})),
    (deque[int], deque([1, 2])),
    (dict[int, str], {1: "a"}),
    (dict[Colour, int], {Colour.RED: 1}),
    (OrderedDict[str, int], OrderedDict(a=1)),
    (Point, Point(1, {"a", "b"})),
    (Line, Line(start=Point(1, set()), endsAt=WHEN)),
    (Open, Open(name="a", more=[1])),
    (Names, Names(["a"])),
    (list[Line | None], [None, Line(start=Point(1, set()), endsAt=WHEN)]),
    (dspy.Image, dspy.Image(url="https://example.com/a.png")),
    (dspy.History, dspy.History(messages=[{"question": "a", "answer": "b"}])),
    (dspy.Code, dspy.Code(code="print(1)")),
]


@pytest.mark.parametrize(("annotation", "value"), READ_BACK, ids=[str(annotation) for annotation, _ in READ_BACK])
def test_the_annotation_reads_the_value_back(annotation, value):
    encoded = to_json(value)
    assert TypeAdapter(annotation).validate_python(encoded) == value
    assert TypeAdapter(annotation).validate_python(canonical.loads(canonical.dumps(encoded))) == value


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_json_values_stay_what_they_are(value):
    assert repr(to_json(value)) == repr(value)


@given(PLAIN | st.binary() | st.datetimes() | st.decimals() | st.sets(st.integers() | st.text()) | st.complex_numbers())
def test_the_result_always_has_canonical_json_and_is_the_same_each_time(value):
    assert canonical.dumps(to_json(value)) == canonical.dumps(to_json(value))


def test_the_result_shares_nothing_mutable_with_the_value():
    inner = [1]
    encoded = to_json({"a": inner})
    inner.append(2)
    assert encoded == {"a": [1]}


def test_numbers_without_json_stay_numbers():
    encoded = to_json([math.nan, math.inf, 2**70])
    assert math.isnan(encoded[0])
    assert encoded[1:] == [math.inf, 2**70]


def test_a_prediction_and_an_example_are_their_fields():
    assert to_json(dspy.Prediction(answer="a", score=0.5)) == {"answer": "a", "score": 0.5}
    assert to_json(dspy.Example(question="a").with_inputs("question")) == {"question": "a"}
    assert to_json(dspy.Prediction.from_completions([{"a": 1}, {"a": 2}])) == {"a": 1}


def test_a_tool_is_its_name_description_and_arguments():
    def look_up(word: str) -> str:
        """Look a word up."""
        return word

    assert to_json(dspy.Tool(look_up)) == {
        "name": "look_up",
        "desc": "Look a word up.",
        "args": {"word": {"type": "string"}},
    }


def test_arrays_and_their_numbers_are_lists_and_numbers():
    assert to_json({"a": np.arange(3), "b": np.float64(0.5), "c": np.int64(2)}) == {"a": [0, 1, 2], "b": 0.5, "c": 2}


def test_subclasses_of_plain_types_become_plain():
    class Text(str):
        __slots__ = ()

        def __str__(self):
            return "something else"

    encoded = to_json([Text("text"), Level.LOW, Pair(1, 2), Colour.PAIR])
    assert encoded == ["text", 1, [1, 2], [1, "two"]]
    assert [type(item) for item in encoded] == [str, int, list, list]


def test_bytes_that_are_no_text_are_base64():
    assert to_json([b"\xff\xfe", bytearray(b"a"), memoryview(b"b")]) == ["//4=", "a", "b"]


def test_what_has_no_faithful_form_is_its_types_name_and_gives_nothing_away():
    class Session:
        def __repr__(self):
            return "password=hunter2"

    assert to_json([Session(), SecretStr("hunter2"), (n for n in ()), Session]) == [
        f"<unencodable {Session.__qualname__}>",
        "<unencodable SecretStr>",
        "<unencodable generator>",
        "<unencodable type>",
    ]


def test_a_generator_is_not_consumed():
    numbers = iter([1, 2])
    to_json({"numbers": numbers})
    assert list(numbers) == [1, 2]


def test_a_value_inside_itself_is_cut_and_one_that_is_there_twice_is_not():
    circle: list[Any] = [1]
    circle.append(circle)
    shared = [2]
    assert to_json(circle) == [1, "<cycle>"]
    assert to_json([shared, shared]) == [[2], [2]]


def test_depth_is_bounded():
    deep: Any = "bottom"
    for _ in range(5_000):
        deep = [deep]
    text = json.dumps(to_json({"a": deep}))
    assert text.count("[") == MAX_DEPTH - 1
    assert "<too deep>" in text
    assert canonical.dumps(to_json({"a": deep}))


def test_keys_stay_apart_and_hashable():
    value = {1: "a", "1": "b", (1, Colour.RED): "c", Level.LOW.name: "d", None: "e", frozenset({2}): "f"}
    assert to_json(value) == {1: "a", "1": "b", (1, "red"): "c", "LOW": "d", None: "e", (2,): "f"}
    assert to_json({date(2024, 1, 2): 1, Point: 2}) == {"2024-01-02": 1, "<unencodable type>": 2}


def test_an_object_that_fails_when_read_does_no_harm():
    class BrokenDate(date):
        def isoformat(self):
            raise RuntimeError("no")

    assert to_json([BrokenDate(2024, 2, 29), "after"]) == [f"<unencodable {BrokenDate.__qualname__}>", "after"]


class ReadError(Exception):
    """What a test's object raises when its own code is run."""


class Remote:
    """Base of objects whose every method would ask a server."""

    def __getattribute__(self, name):
        raise ReadError(name)

    def _ask(self, *_):
        raise ReadError

    __iter__ = __len__ = __getitem__ = __contains__ = __str__ = __repr__ = __eq__ = items = keys = values = _ask
    __hash__ = object.__hash__
    __class__ = property(_ask)


class RemoteDict(Remote, dict):
    pass


class RemoteList(Remote, list):
    pass


class RemoteText(Remote, str):
    __slots__ = ()


class RemoteTuple(Remote, tuple):
    __slots__ = ()


class RemoteModel(Remote, BaseModel):
    name: str = "a"


@dataclasses.dataclass(init=False, repr=False, eq=False)
class RemotePoint(Remote):
    x: int
    y: int = 2


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int
    y: int = 2


class Rows(Mapping):
    """A view of a table somewhere else."""

    def __getitem__(self, key):
        raise ReadError

    __iter__ = __len__ = __getitem__


class Lines(Sequence):
    """A view of a file somewhere else."""

    def __getitem__(self, index):
        raise ReadError

    __len__ = __getitem__


def remote_point():
    point = RemotePoint()
    object.__setattr__(point, "x", 1)
    return point


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (RemoteDict({"a": 1}), {"a": 1}),
        (RemoteList([1, 2]), [1, 2]),
        (RemoteTuple((1, 2)), [1, 2]),
        (RemoteText("text"), "text"),
        (RemoteModel.model_construct(name="a"), {"name": "a"}),
        (remote_point(), {"x": 1, "y": 2}),
        (Slotted(1), {"x": 1, "y": 2}),
        (UserDict({"a": [1]}), {"a": [1]}),
        (UserList([1]), [1]),
        (UserString("text"), "text"),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (MappingProxyType(Rows()), "<unencodable Rows>"),
        (Rows(), "<unencodable Rows>"),
        (Lines(), "<unencodable Lines>"),
        (Remote(), "<unencodable Remote>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_stored_is_read_and_nothing_of_an_objects_own_code_is_run(value, encoded):
    assert to_json({"value": value}) == {"value": encoded}


def test_a_field_that_is_not_stored_in_its_object_is_not_asked_for():
    """As in a row of an ORM, whose attributes are loaded when they are read."""
    row = Line.model_construct(start=1)
    assert to_json(row) == {"start": 1, "endsAt": "<unencodable Line.endsAt>"}


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError("somebody's code")


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
PARTS = st.recursive(PLAIN | st.builds(Text), lambda inner: st.lists(inner, max_size=3), max_leaves=4)


@given(
    st.dictionaries(st.text(max_size=2) | st.builds(Text) | st.integers(), PLAIN | PARTS, max_size=70),
    st.sampled_from([0, 2, 8, 100, 10**6]),
)
def test_fields_become_what_any_dict_does_whether_they_are_plain_or_not(fields, max_bytes):
    budget = Budget(max_bytes)
    expected = to_json(fields, budget)
    found, is_cut = fields_to_json(fields, max_bytes)
    assert repr((found, is_cut)) == repr((expected, budget.is_cut))
    assert found is not fields
    assert {type(key) for key in found} <= {str, int}
