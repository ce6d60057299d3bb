"""The pieces as numbers are those of `likeness.pieces`: as many, equal where they are, in whatever company."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace_consumers.versions.sketches.likeness import LONGEST, is_unspaced, pieces
from headrace_consumers.versions.sketches.shingling import pieces_of

TEXTS = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.text("ab_ß\u0130 \n\u3000.,-", max_size=40),
        st.text("請求書の金額が契約と違", max_size=30),
        st.lists(st.text("abcdefghijklmnopéü", min_size=1, max_size=40), max_size=12).map(" ".join),
        st.text(st.characters(codec=None), max_size=8),
    ),
    max_size=8,
)


def hashes_of(text):
    found = pieces_of([text])
    return set(found.hashes.tolist())


@given(TEXTS)
@example(
    ["a" * 50, "a b " * 20, "", "...", "one", "naïve “words”", "naive words", "\U0001f600 x \U0001f600y", "\ud800 z"]
)
def test_of_each_text_there_are_as_many_pieces_as_likeness_compares(texts):
    found = pieces_of(texts)
    assert found.counts.tolist() == [len(pieces(text)) for text in texts]
    assert found.is_unspaced.tolist() == [is_unspaced(text) for text in texts]
    assert [each for each, text in zip(found.words.tolist(), texts, strict=True) if not is_unspaced(text)] == [
        len(text.split()) for text in texts if not is_unspaced(text)
    ]


@given(TEXTS.filter(bool), TEXTS.filter(bool))
def test_two_texts_have_so_many_pieces_in_common_as_likeness_finds(some, others):
    one, other = some[0], others[0]
    if is_unspaced(one) == is_unspaced(other):
        assert len(hashes_of(one) & hashes_of(other)) == len(pieces(one) & pieces(other))


@given(TEXTS)
def test_a_text_has_the_same_pieces_alone_and_among_others(texts):
    found = pieces_of(texts)
    for place, text in enumerate(texts):
        alone = pieces_of([text])
        among, bounds = found.of(np.asarray([place]))
        assert bounds.tolist() == [0, len(among)]
        assert among.tolist() == alone.hashes.tolist()
        assert found.together()[place] == alone.together()[0]


def test_equal_sets_of_pieces_come_to_the_same_whatever_is_repeated():
    found = pieces_of(["a b a b a", "a b a b a b a b", "b a b", "a b c"])
    assert len(set(found.together().tolist())) == 2


@pytest.mark.parametrize("longer", ["x", " x", "請"])
def test_behind_the_longest_nothing_is_read(longer):
    text = "word " * (LONGEST // 5)
    assert hashes_of(text) == hashes_of(text + longer)
