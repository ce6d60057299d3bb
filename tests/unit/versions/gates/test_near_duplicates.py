"""Inputs that say the same in nearly the same words are found; those that differ where it matters are not."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.versions.gates.near_duplicates import NEAR_DUPLICATES, likeness
from tests.unit.versions.gates.frames import example, judged

WORDS = [
    f"{first}{second}" for first in ("ka", "lo", "mi", "nu", "pe", "ra") for second in ("ben", "dor", "fis", "gul")
]
LONG = " ".join(random.Random(1).choices(WORDS, k=60))


def told(verdict):
    return dict(verdict.offenders.iter_rows())


def test_of_two_that_are_alike_the_better_label_stays_then_the_smaller_key():
    verdict = judged(
        NEAR_DUPLICATES,
        example(1, {"text": LONG}),
        example(2, {"text": LONG + " more"}, label="corrected"),
        example(3, {"text": LONG.upper() + "!"}),
        example(4, {"text": " ".join(reversed(LONG.split()))}),
    )
    assert told(verdict).keys() == {"id-1", "id-3"}
    assert "alike to id-2" in told(verdict)["id-1"]
    assert verdict.threshold == 0.9
    assert verdict.figure > 0.95
    assert not verdict.is_passed


def test_with_one_long_context_the_question_decides():
    questions = ("Who signed it and when was that?", "What does it cost in the second year?")
    rows = [example(n, {"context": LONG, "question": each}) for n, each in enumerate(questions)]
    assert judged(NEAR_DUPLICATES, *rows).is_passed


def test_other_values_are_the_same_or_not():
    rows = [example(n, {"text": LONG, "year": year}) for n, year in enumerate((2024, 2025, 2025))]
    assert told(judged(NEAR_DUPLICATES, *rows)).keys() == {"id-2"}


def test_short_inputs_are_left_to_exact_deduplication():
    rows = [example(n, {"text": "Where is my parcel?"}) for n in range(2)]
    assert judged(NEAR_DUPLICATES, *rows).is_passed


def test_one_that_is_like_something_set_aside_stays():
    words = LONG.split()
    chain = [" ".join(words[shift : shift + 50]) for shift in (0, 2, 4)]
    assert likeness({"t": chain[0]}, {"t": chain[1]}) > 0.9
    assert likeness({"t": chain[0]}, {"t": chain[2]}) < 0.9
    rows = [example(n, {"text": each}) for n, each in enumerate(chain)]
    assert told(judged(NEAR_DUPLICATES, *rows)).keys() == {"id-1"}


def test_the_threshold_is_the_signatures_and_1_looks_for_nothing():
    words = LONG.split()
    rows = [example(1, {"text": LONG}), example(2, {"text": " ".join(["other", *words[1:30], "other", *words[31:]])})]
    assert judged(NEAR_DUPLICATES, *rows, max_likeness=0.95).is_passed
    assert not judged(NEAR_DUPLICATES, *rows, max_likeness=0.8).is_passed
    same = [example(1, {"text": LONG}), example(2, {"text": LONG})]
    assert judged(NEAR_DUPLICATES, *same, max_likeness=1).is_passed


def test_the_verdict_tells_what_it_was_found_with():
    assert judged(NEAR_DUPLICATES).details == {"permutations": 64, "bands": 8, "seed": 42}


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_what_comparing_all_with_all_would(seed):
    chance = random.Random(seed)
    rows = []
    for number in range(300):
        words = chance.choices(WORDS, k=40)
        if number % 3 == 1:
            words = [*rows[-1][1][:-1], chance.choice(WORDS)]
        rows.append((number, words))
    verdict = judged(NEAR_DUPLICATES, *[example(n, {"text": " ".join(words)}) for n, words in rows])
    kept, out = [], set()
    for number, words in rows:
        inputs = {"text": " ".join(words)}
        if any(likeness(inputs, other) > 0.9 for other in kept):
            out.add(f"id-{number}")
        else:
            kept.append(inputs)
    assert len(out) > 50
    assert told(verdict).keys() <= out
    assert len(told(verdict)) > 0.95 * len(out)  # the rest is the chance that MinHash takes


@given(st.dictionaries(st.text(max_size=2), st.text() | st.integers()), st.dictionaries(st.text(max_size=2), st.text()))
def test_likeness_is_symmetric_and_1_of_the_same(one, other):
    assert likeness(one, one) == 1
    assert likeness(one, other) == likeness(other, one)
    assert 0 <= likeness(one, other) <= 1


def test_many_inputs_over_one_template_take_no_time_that_grows_with_their_square():
    chance = random.Random(5)
    rows = [example(n, {"text": LONG, "number": chance.random()}) for n in range(3000)]
    began = time.process_time()
    assert judged(NEAR_DUPLICATES, *rows).is_passed
    assert time.process_time() - began < 20
