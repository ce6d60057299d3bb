"""Pseudonyms: equal for equal values, whatever their spelling, and left alone by every rule."""

import re
from collections import Counter

import pytest
from hypothesis import given

from headrace.redaction import MARKERS, Pseudonyms, Redactor, subject_pseudonym
from tests.support.redaction_corpus import Case, cases
from tests.unit.headrace.test_redaction import TEXTS

KEY = bytes(range(32))
REDACTOR = Redactor(pseudonyms=Pseudonyms(KEY))
RIGHT = [case for case in cases() if not case.known]


@pytest.mark.parametrize(
    "spellings",
    [
        ["Jane.Doe@Example.com", "jane.doe@example.com", "JANE.DOE%40example.COM"],
        ["+1 (415) 555-2671", "+14155552671", "+1.415.555.2671", "001 415 555 2671"],
        ["4111 1111 1111 1111", "4111111111111111", "4111-1111-1111-1111"],
        ["DE89 3704 0044 0532 0130 00", "de89370400440532013000"],
        ["2001:db8::1", "2001:0DB8:0:0:0:0:0:1"],
        ["10.0.0.1"],
    ],
)
def test_one_value_has_one_pseudonym_in_all_spellings(spellings: list[str]) -> None:
    texts = {REDACTOR.text(spelling) for spelling in spellings}
    assert len(texts) == 1
    assert re.fullmatch(r"\[(EMAIL|PHONE|CARD|IBAN|IP):[a-p]{16}\]", texts.pop())


def test_other_values_other_keys_and_other_kinds_have_other_pseudonyms() -> None:
    pseudonyms = Pseudonyms(KEY)
    found = [pseudonyms.of("email", f"user{number}@example.com") for number in range(1000)]
    assert len(set(found)) == 1000
    assert Pseudonyms(bytes(32)).of("email", "user0@example.com") != found[0]
    assert pseudonyms.of("phone", "4111111111111111") != pseudonyms.of("card", "4111111111111111")


def test_a_number_that_is_a_card_has_the_pseudonym_of_its_text() -> None:
    assert REDACTOR.value(4111111111111111, Counter()) == REDACTOR.text("4111 1111 1111 1111")


def test_secrets_stay_blanks() -> None:
    assert REDACTOR.text("password=hunter2") == "password=[SECRET]"
    assert REDACTOR.value({"password": "hunter2"}, Counter()) == {"password": "[SECRET]"}


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.text[:40])
def test_with_a_key_the_same_is_found(case: Case) -> None:
    kinds = "|".join(marker[1:-1] for marker in MARKERS.values())
    assert re.sub(rf"\[({kinds}):[a-p]{{16}}\]", r"[\1]", REDACTOR.text(case.text)) == case.expected


@given(TEXTS)
def test_a_pseudonym_is_left_alone(text: str) -> None:
    once = REDACTOR.text(text)
    assert REDACTOR.text(once) == once


def test_a_subject_has_one_pseudonym_and_the_key_decides() -> None:
    assert re.fullmatch(r"hmac-sha256:[0-9a-f]{32}", subject_pseudonym("jane", KEY))
    assert re.fullmatch(r"sha256:[0-9a-f]{32}", subject_pseudonym("jane"))
    assert subject_pseudonym("jane", KEY) != subject_pseudonym("jane", bytes(32))
    assert subject_pseudonym("\ud800") == subject_pseudonym("?")
