"""The gates that judge what a version holds as a whole."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config.versions import Difficulties, GateThresholds, SplitShares
from headrace_consumers.versions.gates import Context
from headrace_consumers.versions.gates.balance import SOURCE_BALANCE, balanced
from headrace_consumers.versions.gates.size import MINIMUM_SIZE
from headrace_consumers.versions.gates.stratification import CATEGORIES, STRATIFICATION
from tests.unit.versions.gates.frames import example, frame, judged


def rows(count, first=0, **changes):
    return [example(first + n, {"text": f"{first + n}"}, **changes) for n in range(count)]


def in_splits(train, val, test):
    return [*rows(train), *rows(val, 1000, split="val"), *rows(test, 2000, split="test")]


@pytest.mark.parametrize(("count", "is_passed"), [(29, False), (30, True), (31, True)])
def test_so_many_examples_are_the_least(count, is_passed):
    verdict = judged(MINIMUM_SIZE, *in_splits(count - 10, 5, 5), min_examples=30)
    assert (verdict.threshold, verdict.figure, verdict.is_passed) == (30, count, is_passed)


def test_a_split_without_examples_is_told_by_name():
    verdict = judged(MINIMUM_SIZE, *in_splits(100, 0, 5), min_examples=30)
    assert not verdict.is_passed
    assert "val has none" in verdict.what
    assert "test" not in verdict.what


def test_no_example_at_all_is_too_few_and_balanced():
    assert not judged(MINIMUM_SIZE, min_examples=0).is_passed
    assert judged(SOURCE_BALANCE).figure is None
    assert judged(STRATIFICATION).is_passed
    assert judged(CATEGORIES).is_passed


@pytest.mark.parametrize(("synthetic", "is_passed"), [(8, True), (9, False)])
def test_one_source_may_have_so_much_and_no_more(synthetic, is_passed):
    some = [*rows(synthetic, source="synthetic"), *rows(10 - synthetic, 100, source="git")]
    verdict = judged(SOURCE_BALANCE, *some, max_share_per_source=0.8, min_examples=6)
    assert (verdict.offenders.is_empty(), "nothing is set aside" in verdict.what) == (True, not is_passed)
    assert (verdict.figure, verdict.is_passed) == (synthetic / 10, is_passed)
    assert "synthetic" in verdict.what
    assert verdict.details == {"sources": {"synthetic": synthetic, "git": 10 - synthetic}}


def test_what_is_too_much_of_a_source_is_set_aside_the_worst_labels_first():
    some = [*rows(100), *rows(10, 200, label="corrected"), *rows(15, 300, source="git"), *rows(1, 400, source="hand")]
    verdict = judged(SOURCE_BALANCE, *some)
    assert (round(verdict.figure, 3), verdict.is_passed, len(verdict.offenders)) == (0.873, False, 110 - 64)
    taken = set(verdict.offenders["example_id"])
    assert taken == {f"id-{n}" for n in range(54, 100)}
    assert set(verdict.offenders["reason"]) == {"more than 80% would be of telemetry"}
    assert "46 are set aside" in verdict.what


def test_what_stays_has_the_difficulties_and_every_category():
    easy = rows(300, difficulty="easy", category="common")
    others = [*rows(90, 400, difficulty="medium", category="common"), *rows(90, 500, difficulty="hard")]
    rare = example(1, {"text": "1"}, difficulty="easy", category="rare")
    some = [*easy[:1], rare, *easy[2:], *others, *rows(30, 1000, source="git")]
    taken = set(judged(SOURCE_BALANCE, *some).offenders["example_id"])
    left = [each for each in some if each["source"] == "telemetry" and each["example_id"] not in taken]
    assert Counter(each["difficulty"] for each in left) == {"easy": 36, "medium": 60, "hard": 24}
    assert "id-1" not in taken


def test_where_over_three_quarters_would_go_nothing_is_set_aside():
    verdict = judged(SOURCE_BALANCE, *rows(1_000), *rows(10, 2_000, source="hand"), min_examples=6)
    assert (verdict.is_passed, len(verdict.offenders)) == (False, 0)
    assert "nothing is set aside for it, as 50 would be left and at least 253 are wanted" in verdict.what


@given(
    st.dictionaries(st.sampled_from(("telemetry", "git", "synthetic", "import")), st.integers(1, 10_000), min_size=2),
    st.floats(0.3, 0.99),
)
def test_what_can_stay_holds_the_share_and_no_less_than_that(counts, most):
    found = balanced(counts, most)
    total = sum(found.values())
    assert all(number <= most * total for number in found.values())
    assert all(number <= counts[source] for source, number in found.items())
    for source, number in found.items():
        if number < counts[source]:
            assert number + 1 > most * (total + 1)


def test_where_there_is_one_source_only_there_is_nothing_to_balance():
    verdict = judged(SOURCE_BALANCE, *rows(100))
    assert (verdict.figure, verdict.is_passed, verdict.is_judged) == (1, True, False)
    assert verdict.what == "all examples are of telemetry, the only source that there is"


def test_where_another_source_was_there_and_gave_nothing_the_share_counts():
    context = Context(
        "Answer", "0" * 16, GateThresholds(), SplitShares(), Difficulties(), other_sources=frozenset({"git"})
    )
    assert not SOURCE_BALANCE.judge(frame(*rows(100)), context).is_passed
    assert not judged(SOURCE_BALANCE, *rows(100), rows(1, 200, source="git")[0]).is_passed


def of_difficulty(easy, medium, hard, first=0, **changes):
    return [
        each
        for at, (name, count) in enumerate((("easy", easy), ("medium", medium), ("hard", hard)))
        for each in rows(count, first + 500 * at, difficulty=name, **changes)
    ]


@pytest.mark.parametrize(("easy", "is_passed"), [(40, True), (41, False)])
def test_difficulties_may_differ_so_much_from_what_is_wanted(easy, is_passed):
    verdict = judged(STRATIFICATION, *of_difficulty(easy, 85 - easy, 15), max_difficulty_deviation=0.1)
    assert verdict.is_passed is is_passed
    assert verdict.figure == pytest.approx((easy - 30) / 100)
    assert f"{easy}% easy in all" in verdict.what


def test_a_split_is_judged_by_itself_once_it_has_enough():
    few = [*of_difficulty(171, 285, 114), *of_difficulty(0, 49, 0, 5000, split="test")]
    enough = [*of_difficulty(171, 285, 114), *of_difficulty(0, 50, 0, 5000, split="test")]
    assert judged(STRATIFICATION, *few).is_passed
    verdict = judged(STRATIFICATION, *enough)
    assert not verdict.is_passed
    assert "100% medium in test" in verdict.what
    assert verdict.details["shares"]["test"] == {"easy": 0, "medium": 1, "hard": 0}


@pytest.mark.parametrize(("count", "is_passed"), [(2, False), (3, True)])
def test_examples_have_so_many_categories_if_any(count, is_passed):
    some = [each for n in range(count) for each in rows(2, 10 * n, category=f"about {n}")]
    verdict = judged(CATEGORIES, *some, *rows(5, 500), min_categories=3)
    assert (verdict.figure, verdict.is_passed) == (count, is_passed)
    assert judged(CATEGORIES, *rows(5), min_categories=3).is_passed
