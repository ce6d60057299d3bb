"""Bad feedback, however late, and outputs that hold nothing or refuse, offend."""

import pytest

from headrace_consumers.versions.gates.quality import QUALITY, heuristic
from tests.unit.versions.gates.frames import example, judged


def test_what_people_call_bad_is_set_aside_and_what_is_unknown_judged_by_its_looks():
    verdict = judged(
        QUALITY,
        example(1, {}, quality=0.9),
        example(2, {}, quality=0.2, label="judged"),
        example(3, {}, {"answer": ""}),
        example(4, {}, {"answer": "fine"}),
        example(5, {}, quality=0.5),
        example(6, {}, {"answer": ""}, quality=1.0, label="corrected"),
    )
    assert dict(verdict.offenders.iter_rows()) == {
        "id-2": "quality 0.20",
        "id-3": "quality 0.00 by its looks: empty: answer",
    }
    assert (verdict.threshold, verdict.figure, verdict.is_passed) == (0.5, 0.2, False)


def test_the_threshold_is_the_signatures():
    row = example(1, {}, quality=0.2)
    assert judged(QUALITY, row, min_quality=0.2).is_passed
    assert not judged(QUALITY, row, min_quality=0.21).is_passed


@pytest.mark.parametrize(
    ("outputs", "score"),
    [
        ({"a": "x"}, 1),
        ({"a": 0, "b": False}, 1),
        ({"a": "x", "b": None}, 0.5),
        ({"a": [], "b": {}, "c": ""}, 0),
        ({}, 0),
        ({"a": "<unencodable Session>"}, 0),
        ({"a": {"b": ["<too deep>"]}}, 0),
        ({"a": "I'm sorry, but I can't help with that."}, 0.5),
        ({"a": "As an AI language model, I have no opinion.", "b": None}, 0.25),
        ({"a": "I cannot help but admire the engineering."}, 0.5),
        ({"a": "We are sorry to hear that your parcel is late."}, 1),
    ],
)
def test_looks(outputs, score):
    assert heuristic(outputs)[0] == score


def test_nothing_to_judge_passes():
    assert judged(QUALITY).is_passed
