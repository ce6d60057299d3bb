"""Inputs that say the same in nearly the same words are found; those that differ where it matters are not."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.versions.gates import near_duplicates
from headrace_consumers.versions.gates.near_duplicates import NEAR_DUPLICATES
from headrace_consumers.versions.sketches.likeness import likeness as likeness_of
from headrace_consumers.versions.sketches.likeness import prepared
from headrace_consumers.versions.sketches.sketching import Sketcher
from tests.unit.versions.gates.frames import example, judged

WORDS = [
    f"{first}{second}" for first in ("ka", "lo", "mi", "nu", "pe", "ra") for second in ("ben", "dor", "fis", "gul")
]
LONG = " ".join(random.Random(1).choices(WORDS, k=60))


def likeness(one, other):
    return likeness_of(prepared(one), prepared(other))


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
    assert judged(NEAR_DUPLICATES).details == {"permutations": 64, "bands": 8, "seed": 42, "candidates": 0}


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


@given(
    st.lists(st.lists(st.sampled_from(WORDS[:6]), max_size=6).map(" ".join), min_size=2, max_size=2),
    st.lists(st.lists(st.sampled_from(WORDS[:6]), max_size=6).map(" ".join), min_size=2, max_size=2),
    st.floats(0, 1),
)
def test_what_is_more_alike_than_is_enough_is_exact_and_the_rest_is_no_more_than_that(one, other, enough):
    inputs = [prepared(dict(zip("ab", each, strict=True))) for each in (one, other)]
    exact, found = likeness_of(*inputs), likeness_of(*inputs, enough)
    assert found == exact if exact > enough else found <= enough


def looked_at(rows):
    return judged(NEAR_DUPLICATES, *rows).details["candidates"]


def over_a_template(chance, number):
    """Return the inputs that a template makes: four words of forty differ, which are not near-duplicates."""
    words = LONG.split()[:40]
    for place in (3, 13, 23, 33):
        words[place] = f"{chance.choice(WORDS)}{number}"
    return {"text": " ".join(words)}


def over_a_context(chance, number):
    return {"context": LONG, "question": f"{' '.join(chance.choices(WORDS, k=20))} {number}"}


def over_a_context_with_a_short_question(chance, number):
    return {"context": LONG, "question": f"Who is {chance.choice(WORDS)} {number}?", "number": chance.random()}


@pytest.mark.parametrize("made", [over_a_template, over_a_context, over_a_context_with_a_short_question])
def test_the_work_grows_with_the_inputs_and_not_with_their_square(made):
    chance = random.Random(5)
    rows = [example(n, made(chance, n)) for n in range(2000)]
    assert looked_at(rows) <= 2.6 * max(looked_at(rows[:1000]), 1000)


@pytest.mark.parametrize("made", [over_a_template, over_a_context])
def test_behind_a_thousand_inputs_over_one_template_a_near_duplicate_is_still_found(made):
    chance = random.Random(6)
    rows = [made(chance, n) for n in range(1000)]
    alike = [{**each, name: f"{each[name]} indeed"} for each in rows[-100:] for name in list(each)[-1:]]
    verdict = judged(NEAR_DUPLICATES, *[example(n, each) for n, each in enumerate([*rows, *alike])])
    assert all(reason.split("id-")[1] == str(int(id_[3:]) - 100) for id_, reason in told(verdict).items())
    assert len(told(verdict)) > 90


def test_of_several_long_texts_the_one_that_differs_is_sketched():
    chance = random.Random(7)
    rows = [example(n, over_a_context(chance, n)) for n in range(300)]
    assert looked_at(rows) < 300


JAPANESE = (
    "昨日注文した商品がまだ届いていません。追跡番号を確認しましたが、"
    "三日前から更新されておらず、配送状況が分かりません。"
)


def test_a_text_without_blanks_is_compared_by_its_letters():
    others = "請求書の金額が契約と違っています。今月から値上げがあったのか、それとも計算の誤りなのか教えてください。"
    rows = [example(1, {"text": JAPANESE}), example(2, {"text": JAPANESE + "。"}), example(3, {"text": others})]
    assert told(judged(NEAR_DUPLICATES, *rows)).keys() == {"id-2"}
    assert likeness({"text": JAPANESE}, {"text": JAPANESE.replace("三", "四")}) > 0.8
    assert likeness({"text": JAPANESE}, {"text": others}) < 0.1


def test_short_texts_and_other_values_must_be_the_same_which_misses_nothing():
    """Of so few words one more is a likeness of 0.9 at most."""
    ten = " ".join(WORDS[:10])
    rows = [{"a": ten, "b": ten}, {"a": ten, "b": f"{ten} more"}, {"a": ten.upper(), "b": f"{ten}."}]
    assert likeness(rows[0], rows[1]) <= 0.9
    assert told(judged(NEAR_DUPLICATES, *[example(n, each) for n, each in enumerate(rows)])).keys() == {"id-2"}


def test_long_inputs_are_taken_a_few_at_a_time(monkeypatch):
    taken = []
    read = Sketcher.read
    monkeypatch.setattr(
        Sketcher, "read", lambda self, texts: read(self, texts) if taken.append(sum(map(len, texts))) is None else 0
    )
    chance = random.Random(8)
    rows = [example(n, {"text": " ".join(chance.choices(WORDS, k=4000))}) for n in range(300)]
    judged(NEAR_DUPLICATES, *rows, example(300, {"text": "word " * 1_500_000}))
    assert sum(taken[:-1]) > 6_000_000
    assert max(size for size in taken if size < 7_500_000) <= 4 << 20  # but that one, alone, in the sample too


def test_of_many_slices_several_processes_find_the_same(monkeypatch):
    chance = random.Random(9)
    texts = [" ".join(chance.choices(WORDS, k=60)) for _ in range(40)]
    rows = [example(n, {"text": texts[n // 2] + " more" * (n % 2)}) for n in range(80)]
    monkeypatch.setattr(near_duplicates, "AT_ONCE", 1)
    alone = judged(NEAR_DUPLICATES, *rows)
    assert len(alone.offenders) == 40
    monkeypatch.setattr(near_duplicates, "AT_ONCE", 2)
    monkeypatch.setattr(near_duplicates, "_SLICE", 7)
    sketched = []
    whole = near_duplicates.sketched_by_processes
    monkeypatch.setattr(near_duplicates, "sketched_by_processes", lambda *a: sketched.append(a[-1]) or whole(*a))
    assert judged(NEAR_DUPLICATES, *rows).offenders.rows() == alone.offenders.rows()
    assert sketched == [2]


def test_what_tells_inputs_apart_is_learnt_from_all_of_them_and_not_from_the_best_labels(monkeypatch):
    """Else those over one context would be sketched by it: all alike, and few of them are compared."""
    monkeypatch.setattr(near_duplicates, "_SLICE_BYTES", 50_000)
    chance = random.Random(10)
    contexts = [" ".join(chance.choices(WORDS, k=700)) for _ in range(61)]
    rows = [example(n, {"context": contexts[n], "question": "why so"}, label="given") for n in range(60)]
    for n in range(60, 180):
        question = chance.choices(WORDS, k=60)
        rows += [example(2 * n, {"context": contexts[60], "question": " ".join(question)})]
        if n % 4 == 0:
            rows += [example(2 * n + 1, {"context": contexts[60], "question": " ".join([*question, "more"])})]
    verdict = judged(NEAR_DUPLICATES, *rows)
    assert len(verdict.offenders) == 30
    assert verdict.details["candidates"] < 1_000


def test_inputs_with_blanks_around_them_are_compared_like_others():
    rows = [example(n, {"text": LONG + " more" * n}) for n in range(2)]
    rows[0]["inputs"] = f" {rows[0]['inputs']}\n"
    assert told(judged(NEAR_DUPLICATES, *rows)).keys() == {"id-1"}
