"""A text of megabytes is redacted a window at a time: with the same result, rule by rule, and without long pauses."""

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.redaction import Redactor
from headrace.redaction.redactor import _RULES
from headrace.redaction.rule import Rule, WordsBefore
from headrace.redaction.windows import BEHIND, OVERLAP, SIZE, Windows
from tests.support.redaction_corpus import cases
from tests.unit.headrace.test_redaction import FRAGMENTS

RULES = [pytest.param(rule, id=f"{rule.kind}-{number}") for number, rule in enumerate(_RULES)]
CASES = [case.text for case in cases()]
FILLERS = st.sampled_from(["x" * 70, "word, " * 12, "0" * 40, " " * 30, "\n", ".", "x" * 700, "A b" * 300])
TEXTS = st.lists(st.one_of(FRAGMENTS, st.sampled_from(CASES), FILLERS), max_size=12).map("".join)


def reach(pattern: re.Pattern[str]) -> int:
    """Return an upper bound of how many characters from its start on a pattern looks at."""
    parser: Any = re._parser  # type: ignore[attr-defined]
    parsed = parser.parse(pattern.pattern, pattern.flags)
    return int(parsed.getwidth()[1]) + _ahead(parsed) + 1  # a boundary behind it looks at one more


def _ahead(parsed: Any) -> int:
    """Return the width of what is looked ahead at."""
    width = 0
    for operation, argument in parsed:
        if str(operation) in {"ASSERT", "ASSERT_NOT"}:
            width += argument[1].getwidth()[1] if argument[0] > 0 else 0
            width += _ahead(argument[1])
            continue
        for part in _parts(argument):
            width += _ahead(part)
    return width


def _parts(argument: Any) -> list[Any]:
    if hasattr(argument, "getwidth"):
        return [argument]
    if isinstance(argument, list | tuple):
        return [part for each in argument for part in _parts(each)]
    return []


def mark(found: str) -> str:
    return f"[{len(found)}]"


@pytest.mark.parametrize("rule", RULES)
def test_no_head_looks_further_than_the_overlap(rule: Rule) -> None:
    assert reach(rule.head or rule.pattern) < OVERLAP
    if isinstance(rule.before, WordsBefore):
        assert rule.before.pattern.pattern.endswith(r"\Z")
        assert rule.before.width <= BEHIND


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60)
@given(text=TEXTS, size=st.integers(1, 300))
def test_in_windows_a_rule_finds_the_same(rule: Rule, text: str, size: int) -> None:
    windows = Windows(text, size, reach(rule.head or rule.pattern))
    assert rule.apply_in(text, windows.worth(rule), mark) == (
        rule.pattern.sub(lambda match: rule.replace(match, mark), text)
    )


@pytest.mark.parametrize("rule", RULES)
def test_so_it_does_in_every_known_case_wherever_the_border_is(rule: Rule) -> None:
    for text in CASES:
        expected = rule.pattern.sub(lambda match: rule.replace(match, mark), text)
        if expected == text:
            continue
        for size in range(1, len(text)):
            windows = Windows(text, size, reach(rule.head or rule.pattern))
            assert rule.apply_in(text, windows.worth(rule), mark) == expected


@given(text=TEXTS, size=st.integers(1, 300))
def test_in_windows_all_rules_together_find_the_same(text: str, size: int) -> None:
    counts: Counter[str] = Counter()
    counts_in_windows: Counter[str] = Counter()
    assert Redactor(window=size).text(text, counts_in_windows) == Redactor().text(text, counts)
    assert counts_in_windows == counts


def test_without_an_overlap_a_finding_at_a_border_would_be_missed() -> None:
    (rule,) = (rule for rule in _RULES if rule.kind == "ip" and "ip-" in rule.hints)
    text = "see ip-10-0-0-1 now"
    missed = Windows(text, 8, 0)
    assert rule.apply_in(text, missed.worth(rule), mark) == text
    assert rule.apply_in(text, Windows(text, 8, 40).worth(rule), mark) != text


BODY = "MIIEowIBAAKCAQEA" * 5 + "\n"


@pytest.mark.parametrize(
    ("found", "marker"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----\n" + BODY * 2_000 + "-----END RSA PRIVATE KEY-----", "[PRIVATE_KEY]"),
        ("eyJhbGciOiJIUzI1NiJ9." + "a" * 100_000 + ".dozjgNryP4J3jVmNHl0w5N", "[SECRET]"),
        ("jane." * 30_000 + "doe@example.com", "[EMAIL]"),
    ],
)
@pytest.mark.parametrize("place", [0, SIZE - 20, SIZE - 1, SIZE])
def test_what_is_longer_than_a_window_is_found_whole(found: str, marker: str, place: int) -> None:
    before, after = "- " * (place // 2) + ">" * (place % 2), " ." * SIZE
    assert Redactor().text(f"{before}{found}{after}") == f"{before}{marker}{after}"
