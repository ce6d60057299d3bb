"""The gates that judge what a version holds as a whole."""

import pytest

from headrace.config.versions import Difficulties, GateThresholds, SplitShares
from headrace_consumers.versions.gates import Context
from headrace_consumers.versions.gates.balance import SOURCE_BALANCE
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
    verdict = judged(SOURCE_BALANCE, *some, max_share_per_source=0.8)
    assert (verdict.figure, verdict.is_passed) == (synthetic / 10, is_passed)
    assert "synthetic" in verdict.what
    assert verdict.details == {"sources": {"synthetic": synthetic, "git": 10 - synthetic}}


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
