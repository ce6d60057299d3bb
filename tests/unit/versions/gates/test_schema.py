"""Examples that do not fit their signature offend, with the field and no value."""

import pytest

from headrace.errors import ConfigError
from headrace_consumers.versions.gates.schema import SCHEMA
from tests.unit.versions.gates.frames import example, judged

ROUTE = "tests.unit.versions.sources.targets:Route"


def offenders(verdict):
    return dict(verdict.offenders.iter_rows())


def test_types_of_the_class_are_checked_in_examples_of_every_source():
    verdict = judged(
        SCHEMA,
        example(1, {"ticket": "a"}, {"queue": "bug"}),
        example(2, {"ticket": "a"}, {"queue": "a secret that is shown to nobody"}),
        example(3, {"ticket": 7}, {"queue": "bug"}, source="git"),
        example(4, {}, {"queue": "bug"}),
        example(5, {"ticket": "a"}, {}),
        example(6, {"ticket": "a", "more": 1}, {"queue": "bug"}),
        example(7, {"ticket": "a"}, {"queue": "bug", "reasoning": "because"}),
        signature_class=ROUTE,
    )
    assert not verdict.is_passed
    assert verdict.figure == 5
    found = offenders(verdict)
    assert found.keys() == {"id-2", "id-3", "id-4", "id-5", "id-6"}
    assert found["id-4"] == "input ticket: is missing"
    assert found["id-6"] == "input more: the signature has no such field"
    assert "secret" not in str(found)


def test_without_a_class_other_sources_must_have_the_fields_of_calls():
    call = {"question": "a"}
    verdict = judged(
        SCHEMA,
        *[example(n, call) for n in range(5)],
        example(5, call, source="import"),
        example(6, {"query": "a"}, source="import"),
        example(7, call, {"answer": "a", "note": "b"}, source="git"),
        example(8, call, {"answr": "a"}, label="corrected"),
        example(9, {"question": 5}, source="synthetic"),
    )
    assert offenders(verdict) == {
        "id-6": "input question: is missing",
        "id-7": "output note: most examples have no such field",
        "id-8": "output answer: is missing",
    }
    assert "signature_class would check types" in verdict.what


def test_without_a_class_values_must_be_of_a_kind_that_calls_have():
    calls = [example(n, {"question": "a", "limit": n % 2 or None}, {"answer": ["b"]}) for n in range(20)]
    others = [
        example(100, {"question": "a", "limit": 0.5}, {"answer": []}, source="import"),
        example(101, {"question": None, "limit": None}, {"answer": ["b"]}, source="import"),
        example(102, {"question": 7, "limit": 1}, {"answer": ["b"]}, source="import"),
        example(103, {"question": "a", "limit": True}, {"answer": ["b"]}, source="git"),
        example(104, {"question": "a", "limit": 1}, {"answer": "b"}, label="corrected"),
    ]
    assert offenders(judged(SCHEMA, *calls, *others)) == {
        "id-102": "input question: is a number, where calls have a text",
        "id-103": "input limit: is a boolean, where calls have a number",
        "id-104": "output answer: is a text, where calls have a list",
    }
    assert offenders(judged(SCHEMA, *calls[:19], *others)).keys() == {"id-104"}


@pytest.mark.parametrize("source", ["import", "telemetry"])
def test_a_correction_of_a_kind_that_no_other_example_has_offends_however_few_there_are(source):
    others = [example(n, {"question": "a"}, {"answer": "b"}, source=source) for n in range(3)]
    corrected = [
        example(10, {"question": "a"}, {"answer": 7}, source=source, label="corrected"),
        example(11, {"question": "a"}, {"answer": None}, source=source, label="corrected"),
        example(12, {"question": "a"}, {"answer": "c"}, source=source, label="corrected"),
    ]
    verdict = judged(SCHEMA, *others, *corrected)
    assert offenders(verdict) == {"id-10": "output answer: is a number, where others have a text"}
    assert "what people wrote, kinds of values as others have them" in verdict.what
    assert judged(SCHEMA, *corrected).is_passed  # nothing tells which of them is right
    either = example(4, {"question": "a"}, {"answer": 3}, source="git")
    assert judged(SCHEMA, *others, either, *corrected).is_passed


def test_what_a_person_added_is_looked_at_like_a_correction_and_teaches_no_kind():
    imported = [example(n, {"question": "a"}, {"answer": ["b"]}, source="import") for n in range(30)]
    added = example(40, {"question": "a"}, {"answer": "b"}, source="hand", label="given")
    corrected = example(41, {"question": "a"}, {"answer": "c"}, source="import", label="corrected")
    assert offenders(judged(SCHEMA, *imported, added, corrected)) == dict.fromkeys(
        ("id-40", "id-41"), "output answer: is a text, where others have a list"
    )
    assert judged(SCHEMA, added, corrected).is_passed


def test_without_calls_most_examples_tell_the_fields():
    rows = [example(n, {"question": "a"}, source="import") for n in range(3)]
    assert offenders(judged(SCHEMA, *rows, example(4, {"query": "a"}, source="import"))).keys() == {"id-4"}


@pytest.mark.parametrize(
    ("usual", "given"), [(7, 2**60), (2**60, 7), (0.5, float("inf")), (0.5, float("nan")), ("a", "a half \ud800")]
)
def test_what_plain_json_has_no_form_for_is_of_the_kind_that_it_is(usual, given):
    calls = [example(n, {"q": usual}, {"a": usual}) for n in range(20)]
    imported = example(100, {"q": given}, {"a": given}, source="import", label="given")
    assert judged(SCHEMA, *calls, imported).is_passed
    assert not judged(SCHEMA, *calls, example(100, {"q": [given]}, {"a": given}, source="import")).is_passed


@pytest.mark.parametrize(("calls", "is_told"), [(20, True), (19, False)])
def test_a_text_that_no_call_has_where_calls_have_few_is_told_and_stays(calls, is_told):
    few = [example(n, {"ticket": "a"}, {"queue": ("bug", "billing")[n % 2], "text": f"{n}"}) for n in range(calls)]
    verdict = judged(
        SCHEMA,
        *few,
        example(100, {"ticket": "b"}, {"queue": "biling", "text": "a secret"}, label="corrected", source="telemetry"),
        example(101, {"ticket": "c"}, {"queue": "bgu", "text": "x"}, label="given", source="import"),
        example(102, {"ticket": "c"}, {"queue": "bug", "text": "x"}, label="given", source="hand"),
    )
    assert (verdict.is_passed, len(verdict.offenders)) == (True, 0)
    told = "; left in: outputs with a text that no other example has in a field of few texts: queue 2"
    assert verdict.what.endswith(told) is is_told
    assert "secret" not in verdict.what


def test_nothing_to_judge_passes():
    assert judged(SCHEMA).is_passed
    assert judged(SCHEMA, signature_class=ROUTE).is_passed


@pytest.mark.parametrize("path", ["no.such.module:X", "json:dumps"])
def test_a_class_that_is_none_is_one_line(path):
    with pytest.raises(ConfigError, match=r"signature_class: .*(cannot be imported|expected a dspy.Signature)"):
        judged(SCHEMA, signature_class=path)
