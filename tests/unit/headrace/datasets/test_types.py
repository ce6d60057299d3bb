"""Every type that a signature's field may have: captured, put into a version, loaded, and equal to what it was.

Through the real producer: values.py, canonical JSON, the record of the sink. What is lossy is told.
"""

import enum
import warnings
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

import dspy
import pytest
from pydantic import BaseModel, ConfigDict

import headrace
from headrace import DatasetError, load_dataset
from headrace.datasets.fields import hashes_of
from headrace.testing import capture
from headrace_schemas import canonical
from tests.support.version_folders import example_line, write_version
from tests.unit.headrace.ways.test_fields import LOSSY, VALUES

MORE: dict[str, tuple[Any, Any]] = {
    "set": (set[str], {"b", "a"}),
    "frozenset": (frozenset[int], frozenset({3, 1})),
    "dict with int keys": (dict[int, str], {1: "a", 2**60: "b"}),
    "nan-free float": (float, float("inf")),
    "whole float": (float, 5.0),
    "time": (time, time(3, 4, 5)),
    "timedelta": (timedelta, timedelta(days=1, microseconds=3)),
    "any": (Any, {"a": [1, None, "x"]}),
    "text like a mark": (str, "it printed <unencodable Socket> then"),
    "bytes": (bytes, b"text"),
    "a lone surrogate": (str, "a\ud800b"),
}
EVERY = {**VALUES, **MORE}


class Passes(dspy.Module):
    """Answers by what it is given."""

    def forward(self, value):
        return dspy.Prediction(answer=value)


def loaded(root, annotation, value, **options):
    """Capture a call with the value as input and output, cut its record into a version, and load it."""
    with capture() as sink:
        headrace.instrument(Passes(), "passes")(value=value)
    (record,) = sink.records
    signature = dspy.Signature(
        {"value": (annotation, dspy.InputField()), "answer": (annotation, dspy.OutputField())}, "Pass it on."
    )
    line = example_line(canonical.loads(record["input"]), canonical.loads(record["output"]))
    write_version(root, {"train": [line]}, fields_hash=hashes_of(signature)[0])
    return load_dataset("S", types=signature, root=root, **options)


@pytest.mark.filterwarnings("ignore::UserWarning")  # the lossy ones are told; below
@pytest.mark.parametrize("name", EVERY)
def test_a_captured_value_is_loaded_as_it_was(name, tmp_path):
    annotation, value = EVERY[name]
    (example,) = loaded(tmp_path, annotation, value)
    for back in (example.value, example.answer):
        assert back == value
        assert type(back) is type(value)
    assert example.inputs().keys() == ["value"]


def test_a_tool_is_loaded_as_what_the_model_was_told_of_it_and_that_is_told(tmp_path):
    with pytest.warns(UserWarning, match=r"S\.(value|answer): a Tool is loaded as what the model was told"):
        examples = loaded(tmp_path, list[dspy.Tool], [LOSSY["Tool"][1]])
    assert set(examples[0].value[0]) == {"name", "desc", "args"}
    assert set(examples.lossy) == {"value", "answer"}


class Blob(BaseModel):
    name: str
    content: bytes


class Own:
    """A class that pydantic does not know."""


@dataclass
class Holds:
    history: dspy.History


@pytest.mark.parametrize(
    ("annotation", "value", "back", "told"),
    [
        (bytes, b"\xff\x00", b"/wA=", "bytes that were no UTF-8"),
        (Blob, Blob(name="a", content=b"\xff"), Blob(name="a", content=b"/w=="), "bytes that were no UTF-8"),
        (
            Holds,
            Holds(dspy.History(messages=[{"when": time(1, 2)}])),
            Holds(dspy.History(messages=[{"when": "01:02:00"}])),
            "values inside the messages of a History",
        ),
    ],
)
def test_what_is_lossy_is_told_by_its_type(tmp_path, annotation, value, back, told):
    with pytest.warns(UserWarning, match=told):
        examples = loaded(tmp_path, annotation, value)
    assert examples[0].value == back
    assert told in examples.lossy["value"]


def test_a_class_that_pydantic_does_not_know_stays_json_and_is_told(tmp_path):
    class Odd(dspy.Signature):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        value: list[Own] = dspy.InputField()
        answer: str = dspy.OutputField()

    line = example_line({"value": [{"x": 1}]}, {"answer": "a"})
    write_version(tmp_path, {"train": [line]}, fields_hash=hashes_of(Odd)[0])
    with pytest.warns(UserWarning, match="S.value: pydantic does not know its type; it is loaded as JSON"):
        examples = load_dataset("S", types=Odd, root=tmp_path)
    assert examples[0].value == [{"x": 1}]


def test_types_without_loss_warn_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loaded(tmp_path, *VALUES["pydantic"]).lossy == {}


def test_an_object_that_capture_had_no_form_for_is_invalid(tmp_path):
    with pytest.raises(DatasetError, match="input value: holds <unencodable Own>"):
        loaded(tmp_path, Any, {"deep": [Own()]})


class Checked(enum.Enum):
    A = "a"

    @classmethod
    def _missing_(cls, value: object) -> "Checked":
        raise RuntimeError(f"secret {value}")


@pytest.mark.parametrize(
    ("annotation", "value", "told"),
    [
        (Checked, "b", "in the type's own check"),
        (dspy.Image, {"url": 5}, "refused by the type's own check|Input should be a valid string"),
    ],
)
def test_a_check_of_the_types_own_does_not_get_its_words_into_the_error(tmp_path, annotation, value, told):
    with pytest.raises(DatasetError, match=told) as raised:
        loaded(tmp_path, annotation, value)
    assert "secret" not in str(raised.value)
