"""What is personal data or a secret, and what only looks like it: every labelled case, and the figures of the docs."""

import re
from collections import Counter
from pathlib import Path

import pytest

from headrace.redaction import MARKERS, Redactor
from tests.support.redaction_corpus import HELD_OUT_PATH, Case, cases, figures, table

CASES = cases()
HELD_OUT = cases(HELD_OUT_PATH)
KNOWN = [case for case in CASES + HELD_OUT if case.known]
RIGHT = [case for case in CASES + HELD_OUT if not case.known]
FLOORS = {
    "private_key": (0.98, 0.98),
    "secret": (0.98, 0.98),
    "email": (0.94, 0.98),
    "iban": (0.98, 0.98),
    "card": (0.95, 0.98),
    "ip": (0.95, 0.95),
    "phone": (0.95, 0.97),
}
"""Kind -> the least recall and precision."""


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.text[:40])
def test_what_is_labelled_is_replaced_and_nothing_else(case: Case) -> None:
    counts: Counter[str] = Counter()
    assert Redactor().text(case.text, counts) == case.expected
    assert counts.total() == len(case.labels)


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: case.text[:40])
def test_a_known_mistake_is_still_one(case: Case) -> None:
    assert Redactor().text(case.text) != case.expected, "right by now: take `known` from its line"


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.text[:40])
def test_a_replacement_is_left_alone(case: Case) -> None:
    counts: Counter[str] = Counter()
    assert Redactor().text(case.expected, counts) == case.expected
    assert not counts


@pytest.mark.parametrize("kind", MARKERS)
def test_recall_and_precision_do_not_fall(kind: str) -> None:
    found = figures(Redactor().text, CASES)[kind]
    recall, precision = FLOORS[kind]
    assert found.labelled >= 20
    assert found.recall >= recall
    assert found.precision >= precision


def test_a_rule_set_that_finds_nothing_has_no_recall() -> None:
    assert figures(Redactor(["email"]).text, CASES)["phone"].recall == 0
    assert figures(Redactor(["email"]).text, CASES)["email"].recall > 0.8


def test_the_corpus_is_large_and_half_of_it_is_hard() -> None:
    assert len(CASES) > 700
    assert sum(not case.labels for case in CASES) > 250
    assert len({case.text for case in CASES}) == len(CASES)


def test_the_document_shows_the_figures_of_this_corpus() -> None:
    document = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")
    for line in [*table(Redactor().text, CASES), *table(Redactor().text, HELD_OUT)]:
        assert line in document, f"python -m tests.support.redaction_corpus says: {line}"


def test_no_case_is_held_out_that_is_in_the_corpus() -> None:
    assert not {case.text for case in CASES} & {case.text for case in HELD_OUT}


def test_labels_are_read_from_a_line() -> None:
    case = Case.of('{"text": "to ⟦email:a@b.co⟧, ⟦ip:::1⟧", "known": true}')
    assert (case.text, case.expected, case.known) == ("to a@b.co, ::1", "to [EMAIL], [IP]", True)
    assert [case.text[label.start : label.end] for label in case.labels] == ["a@b.co", "::1"]
    assert re.search("⟦|⟧", "".join(case.text for case in CASES)) is None
