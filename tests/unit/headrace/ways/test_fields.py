"""Typed inputs and outputs: the record's JSON, out of the sink, validates back into the values by the field's type."""

import enum
import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import dspy
import pytest
from pydantic import BaseModel, TypeAdapter

import headrace
from headrace.testing import capture
from headrace_schemas import canonical
from tests.support.openai_server import in_turn

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Line(BaseModel):
    item: str
    price: Decimal
    tags: set[str] = set()


class Invoice(BaseModel):
    lines: list[Line]
    due: date
    colour: Colour | None = None


@dataclass
class Point:
    x: float
    y: float


Python = dspy.Code["python"]  # a class made anew at each subscription


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


VALUES: dict[str, tuple[Any, Any]] = {
    "str": (str, "naïve, “quoted”\n\t\u0000 🌊"),
    "int": (int, 2**70),
    "float": (float, 0.1),
    "bool": (bool, True),
    "none": (str | None, None),
    "literal": (Literal["a", "b"], "b"),
    "literal of numbers": (Literal[1, 2], 2),
    "enum": (Colour, Colour.BLUE),
    "int enum": (Level, Level.HIGH),
    "datetime": (datetime, datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)),
    "date": (date, date(2026, 1, 2)),
    "decimal": (Decimal, Decimal("10.50")),
    "uuid": (UUID, UUID(int=5)),
    "pydantic": (
        Invoice,
        Invoice(lines=[Line(item="a", price=Decimal("1.50"), tags={"x", "y"})], due=date(2026, 1, 2)),
    ),
    "list of pydantic": (list[Line], [Line(item="a", price=Decimal(1))]),
    "dict of lists": (dict[str, list[int]], {"a": [1, 2]}),
    "tuple": (tuple[int, str], (1, "a")),
    "union": (int | Invoice | str, "7"),
    "dataclass": (Point, Point(1.5, -0.0)),
    "Image": (dspy.Image, dspy.Image(url=PIXEL)),
    "Image, by url": (dspy.Image, dspy.Image(url="https://example.com/a.png")),
    "Image in a list": (list[dspy.Image], [dspy.Image(url=PIXEL)]),
    "Audio": (dspy.Audio, dspy.Audio(data="AAAA", audio_format="wav")),
    "History": (
        dspy.History,
        dspy.History(messages=[{"question": "a", "answer": "b"}, {"question": "c", "answer": "d"}]),
    ),
    "Code": (Python, Python(code="print(1)")),
    "ToolCalls": (dspy.ToolCalls, dspy.ToolCalls.from_dict_list([{"name": "add", "args": {"a": 1}}])),
}
if hasattr(dspy, "File"):  # dspy 3.1 on
    VALUES["File"] = (dspy.File, dspy.File(file_data="data:text/plain;base64,YQ==", filename="a.txt"))
if hasattr(dspy, "Reasoning"):
    VALUES["Reasoning"] = (dspy.Reasoning, dspy.Reasoning(content="because"))
LOSSY = {"Tool": (dspy.Tool, dspy.Tool(add))}


class Passes(dspy.Module):
    """Gives back what it is given."""

    def forward(self, value):
        return dspy.Prediction(value=value)


def recorded(value):
    with capture() as sink:
        result = headrace.instrument(Passes(), "passes")(value=value)
        assert result.value is value
    (record,) = sink.records
    return [canonical.loads(record[side])["value"] for side in ("input", "output")]


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_read_back_from_its_record_by_its_type(name):
    annotation, value = VALUES[name]
    for stored in recorded(value):
        json.dumps(stored)
        back = TypeAdapter(annotation).validate_python(stored)
        assert back == value
        assert type(back) is type(value)


def test_a_tool_is_recorded_by_what_the_model_is_told_of_it():
    for stored in recorded(LOSSY["Tool"][1]):
        assert (stored["name"], stored["desc"]) == ("add", "Add two numbers.")
        assert set(stored["args"]) == {"a", "b"}
        assert "func" not in stored


def test_numbers_without_json_are_read_back_as_numbers():
    stored = recorded([math.inf, -math.inf, math.nan])
    for side in stored:
        assert side[:2] == [math.inf, -math.inf]
        assert math.isnan(side[2])


class Typed(dspy.Signature):
    """Read an invoice."""

    invoice: Invoice = dspy.InputField()
    when: datetime = dspy.InputField()
    picture: dspy.Image = dspy.InputField()
    history: dspy.History = dspy.InputField()
    tools: list[dspy.Tool] = dspy.InputField()
    colour: Colour = dspy.OutputField()
    kind: Literal["a", "b"] = dspy.OutputField()
    line: Line = dspy.OutputField()
    due: datetime = dspy.OutputField()
    script: Python = dspy.OutputField()
    scores: dict[str, float] = dspy.OutputField()


ANSWER = {
    "colour": "blue",
    "kind": "b",
    "line": '{"item": "a", "price": "1.50", "tags": ["x"]}',
    "due": "2026-01-02T03:04:05Z",
    "script": "print(1)",
    "scores": '{"a": 0.5}',
}


def test_a_signature_of_all_types_goes_through_a_real_lm_and_its_record_makes_the_example_again(real_lm):
    inputs = {
        "invoice": VALUES["pydantic"][1],
        "when": VALUES["datetime"][1],
        "picture": VALUES["Image"][1],
        "history": dspy.History(messages=[{"invoice": "i", "colour": "red"}]),
        "tools": [dspy.Tool(add)],
    }
    lm, _ = real_lm(in_turn(ANSWER))
    with dspy.context(lm=lm, adapter=dspy.ChatAdapter()), capture() as sink:
        plain = dspy.Predict(Typed)(**inputs)
        ours = headrace.instrument(dspy.Predict(Typed), "typed")(**inputs)
    assert dict(ours) == dict(plain)
    (record,) = sink.records
    assert record["signature"] == "Typed"
    given, told = canonical.loads(record["input"]), canonical.loads(record["output"])
    fields = {**Typed.input_fields, **Typed.output_fields}
    back = {
        name: TypeAdapter(fields[name].annotation).validate_python(value)
        for name, value in {**given, **told}.items()
        if name != "tools"
    }
    assert back == {name: value for name, value in {**inputs, **dict(plain)}.items() if name != "tools"}
    assert [tool["name"] for tool in given["tools"]] == ["add"]
    again = dspy.Example(**back, tools=inputs["tools"]).with_inputs(*Typed.input_fields)
    lm, server = real_lm(in_turn(ANSWER))
    with dspy.context(lm=lm):
        assert dict(dspy.Predict(Typed)(**again.inputs())) == dict(plain)
    assert server.requests


def test_two_types_under_one_name_are_two_datasets():
    with capture() as sink:
        for signature in ("when: str -> answer", "when: int -> answer"):
            module = headrace.instrument(dspy.Predict(signature), "typed")
            with pytest.raises(ValueError, match="No LM"), dspy.context(lm=None):
                module(when=1)
    assert len({record["fields_hash"] for record in sink.records}) == 2
