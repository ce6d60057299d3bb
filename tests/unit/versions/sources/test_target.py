"""Examples fit the signature's types, and are kept as a captured call would have them."""

import pytest

from headrace.errors import UsageError
from headrace_consumers.versions.sources.target import ExampleError, inferred, load_object, target_of
from tests.unit.versions.sources import targets
from tests.unit.versions.sources.targets import Finding, ReviewChange, Route, Urgency

REVIEW = target_of(None, ReviewChange)
INPUTS = {"change": "a", "focus": ["b"]}
OUTPUTS = {"findings": [{"line": 1, "text": "t"}], "urgency": "low"}


def test_typed_values_and_json_give_the_same_json():
    typed = {"findings": [Finding(line=1, text="t")], "urgency": Urgency.low}
    assert REVIEW.fitted(INPUTS, typed) == REVIEW.fitted(INPUTS, OUTPUTS) == (INPUTS, OUTPUTS)


def test_a_field_with_a_default_may_be_left_out():
    target = target_of(None, targets.WithDefault)
    assert target.fitted({"question": "q"}, {"answer": "a"}) == ({"question": "q"}, {"answer": "a"})


def test_what_a_types_own_check_raises_is_told_without_its_words():
    with pytest.raises(ExampleError) as raised:
        target_of(None, targets.Picky).fitted({"question": "q"}, {"answer": {"text": "a"}})
    assert raised.value.detail == "output answer: RuntimeError in the type's own check"


def test_a_value_is_brought_to_its_type():
    assert REVIEW.fitted(INPUTS, {**OUTPUTS, "findings": [{"line": "3", "text": "t"}]})[1]["findings"][0]["line"] == 3


@pytest.mark.parametrize(
    ("inputs", "outputs", "reason", "detail"),
    [
        ({"change": "a"}, OUTPUTS, "missing_field", "input focus is missing"),
        ({**INPUTS, "x": 1}, OUTPUTS, "unknown_field", "input x is no field of ReviewChange"),
        (INPUTS, {**OUTPUTS, "urgency": "so-so"}, "wrong_type", "output urgency: enum"),
        (INPUTS, {**OUTPUTS, "findings": [{"line": 1}]}, "wrong_type", "output findings.0.text: missing"),
        ({**INPUTS, "change": {"secret": "x"}}, OUTPUTS, "wrong_type", "input change: string_type"),
    ],
)
def test_what_does_not_fit_is_told_by_field_and_without_values(inputs, outputs, reason, detail):
    with pytest.raises(ExampleError) as raised:
        REVIEW.fitted(inputs, outputs)
    assert (raised.value.reason, raised.value.detail) == (reason, detail)


def test_an_lm_reads_what_the_program_is_for_and_its_fields():
    assert REVIEW.described() == (
        "Program: ReviewChange\nSay what is wrong with a change.\nInput fields:\n- change (str): what was changed\n"
        "- focus (list[str])\nOutput fields:\n- findings (list[Finding])\n- urgency (Urgency)"
    )


def test_the_name_is_the_class_unless_another_is_given():
    assert target_of(None, Route).name == "Route"
    assert target_of("triage.route", Route).name == "triage.route"
    assert target_of("qa.self", targets.inline).outputs.keys() == {"answer"}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (targets.inline, "no class of its own"),
        (targets.TwoSteps, "2 predictors"),
        (targets.TwoSteps(), "2 predictors"),
        (targets.no_signature, "found int"),
    ],
)
def test_what_is_no_signature_is_one_line(found, message):
    with pytest.raises(UsageError, match=message):
        target_of(None, found)


def test_fields_and_types_come_from_examples_where_there_is_no_class():
    target = inferred("Answer", [({"question": "a", "n": 1}, {"answer": None}), ({"question": "b"}, {"answer": "x"})])
    assert target.fitted({"question": "c", "n": 2}, {"answer": None})
    with pytest.raises(ExampleError, match="input n"):
        target.fitted({"question": "c", "n": "two"}, {"answer": None})
    with pytest.raises(UsageError, match="no example of it yet"):
        inferred("Answer", [])


@pytest.mark.parametrize("path", ["no.such.module:X", "dspy", "dspy:NoSuchThing", ":x", "dspy:"])
def test_what_cannot_be_imported_is_one_line(path):
    with pytest.raises(UsageError, match=r"--program .*: (cannot be imported|expected package.module:object)"):
        load_object("--program", path)
