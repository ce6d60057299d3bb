"""Pieces of many texts at once, as numbers: what `likeness.pieces` gives of each, hashed, without an object a word.

    texts, folded --> UTF-8 in one array --> words (of texts without blanks: letters) --> hashes of two (four) in a row
                                             --> each text's different ones, in their order

Equal pieces have equal numbers, in whatever texts; the other way round but for one chance in 2^44.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace_consumers.versions.sketches.likeness import LETTERS, LETTERS_BETWEEN_BLANKS, LONGEST

__all__ = ["MOST_TEXTS", "Integers", "Pieces", "Words", "mixed", "pieces_of"]

MOST_TEXTS: Final = 1 << 20
"""So many at once."""

Words: TypeAlias = npt.NDArray[np.uint64]
_Bytes: TypeAlias = npt.NDArray[np.uint8]
Integers: TypeAlias = npt.NDArray[np.int64]
_Booleans: TypeAlias = npt.NDArray[np.bool_]

_HASH_BITS: Final = np.uint64(44)
_LOST_BITS: Final = np.uint64(64 - 44)
_WORD_BYTES: Final = 8
_ASCII: Final = 0x80
_ALL: Final = 0x110000
_LONGER_FROM: Final = np.asarray([0x7F, 0x7FF, 0xFFFF], dtype=np.uint32)
"""The last code points of one byte, two and three."""

_IN_WORD, _BLANK = np.uint8(1), np.uint8(2)
_PAIR: Final = 2

_FIRST: Final = np.uint64(0x9E3779B97F4A7C15)
_SECOND: Final = np.uint64(0xBF58476D1CE4E5B9)
_HALF: Final = np.uint64(32)
_ODD: Final = np.uint64(29)
_LOW_BYTES: Final = np.asarray([(1 << 8 * kept) - 1 for kept in range(_WORD_BYTES + 1)], np.uint64)


@dataclass(frozen=True, slots=True)
class Pieces:
    """What texts are compared by.

    Attributes:
        words: how many words a text has; of one without blanks, half as many as letters.
        is_unspaced: see `likeness.is_unspaced`.
        counts: how many different pieces each has.
        hashes: the pieces, text by text.
    """

    words: Integers
    is_unspaced: _Booleans
    counts: Integers
    hashes: Words

    def of(self, texts: Integers) -> tuple[Words, Integers]:
        """Return the pieces of some texts, and where each begins and the last ends.

        Args:
            texts: their places, rising.
        """
        wanted = np.zeros(len(self.counts), dtype=np.bool_)
        wanted[texts] = True
        return self.hashes[np.repeat(wanted, self.counts)], _bounds(self.counts[texts])

    def together(self) -> Words:
        """Return a hash of each text's pieces; 0 of none."""
        sums = np.append(np.uint64(0), np.cumsum(mixed(self.hashes)))
        bounds = _bounds(self.counts)
        found: Words = sums[bounds[1:]] - sums[bounds[:-1]]
        return found


def mixed(words: Words) -> Words:
    """Return numbers each bit of which depends on all bits of one of these."""
    words = (words ^ (words >> _HALF)) * _FIRST
    words = (words ^ (words >> _ODD)) * _SECOND
    found: Words = words ^ (words >> _HALF)
    return found


def pieces_of(texts: Sequence[str]) -> Pieces:
    """Return the pieces of texts, at most MOST_TEXTS."""
    cut = [text[:LONGEST] for text in texts]
    letters = np.fromiter(map(len, cut), dtype=np.int64, count=len(cut))
    content, kinds, ends = _folded(cut, letters)
    blank_words = _per_text(_edges(kinds != _BLANK)[::2], ends)
    is_unspaced = letters > LETTERS_BETWEEN_BLANKS * np.maximum(blank_words, 1)
    counts, hashes = _different(
        [_of_words(content, kinds, ends, ~is_unspaced), _of_letters(content, kinds, ends, is_unspaced)], len(cut)
    )
    return Pieces(np.where(is_unspaced, letters // _PAIR, blank_words), is_unspaced, counts, hashes)


def _folded(texts: Sequence[str], letters: Integers) -> tuple[_Bytes, _Bytes, Integers]:
    """Return UTF-8, a line break before each text and behind the last, of each byte what it is, and where texts end."""
    joined = "\n".join(chain([""], texts, [""]))
    if joined.isascii():
        content = _utf_8(joined.casefold())
        return content, _kinds(_ASCII)[content[:-_WORD_BYTES]], np.cumsum(letters + 1)
    folded = [text.casefold() for text in texts]
    joined = "\n".join(chain([""], folded, [""]))
    code_points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = np.repeat(_kinds(_ALL)[code_points], np.asarray([1, 2, 3, 4])[np.searchsorted(_LONGER_FROM, code_points)])
    lengths = np.fromiter((len(text.encode("utf-8", "surrogatepass")) for text in folded), np.int64, len(folded))
    return _utf_8(joined), kinds, np.cumsum(lengths + 1)


def _utf_8(text: str) -> _Bytes:
    """Return a text with a word more, which may be read behind the last byte."""
    return np.frombuffer((text + "\0" * _WORD_BYTES).encode("utf-8", "surrogatepass"), dtype=np.uint8)


@cache
def _kinds(count: int) -> _Bytes:
    """Return of the first code points whether each belongs to a word, or is blank."""
    letters = map(chr, range(count))
    kinds = (_IN_WORD if each.isalnum() or each == "_" else _BLANK if each.isspace() else 0 for each in letters)
    return np.fromiter(kinds, dtype=np.uint8, count=count)


def _edges(is_inside: _Booleans) -> Integers:
    """Return before which places something begins, and before which it ends, in turn; the first place is outside."""
    return np.flatnonzero(is_inside[1:] != is_inside[:-1])


def _of_words(content: _Bytes, kinds: _Bytes, ends: Integers, chosen: _Booleans) -> tuple[Words, Words]:
    edges = _edges(kinds == _IN_WORD)
    begin, size = edges[::2] + 1, edges[1::2] - edges[::2]
    counts = _per_text(edges[::2], ends)
    if not chosen.all():
        of_chosen = np.repeat(chosen, counts)
        begin, size, counts = begin[of_chosen], size[of_chosen], counts * chosen
    return _in_a_row(_read(content, begin, size), counts, _PAIR)


def _of_letters(content: _Bytes, kinds: _Bytes, ends: Integers, chosen: _Booleans) -> tuple[Words, Words]:
    if not chosen.any():
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64)
    is_first = (content[: len(kinds)] & 0xC0) != _ASCII  # not a byte that goes on with a letter
    begin = np.flatnonzero(is_first & (kinds == _IN_WORD))
    following = np.append(np.flatnonzero(is_first), len(kinds))
    size = following[np.searchsorted(following, begin, side="right")] - begin
    counts = _per_text(begin - 1, ends)
    of_chosen = np.repeat(chosen, counts)
    return _in_a_row(_read(content, begin[of_chosen], size[of_chosen]), counts * chosen, LETTERS)


def _per_text(places: Integers, ends: Integers) -> Integers:
    """Return how many of rising places lie in each text."""
    found: Integers = np.diff(np.searchsorted(places, ends), prepend=0)
    return found


def _read(content: _Bytes, begin: Integers, size: Integers) -> Words:
    """Return a hash of the bytes from some places on."""
    words: Words = np.ndarray(len(content) - _WORD_BYTES + 1, dtype="<u8", buffer=content.data, strides=(1,))
    found = mixed(words[begin] & _LOW_BYTES[np.minimum(size, _WORD_BYTES)])
    longer = np.flatnonzero(size > _WORD_BYTES)
    at = _WORD_BYTES
    while len(longer):
        rest = words[begin[longer] + at] & _LOW_BYTES[np.minimum(size[longer] - at, _WORD_BYTES)]
        found[longer] = mixed(found[longer] ^ (rest + _FIRST))
        at += _WORD_BYTES
        longer = longer[size[longer] > at]
    return found


def _in_a_row(hashes: Words, counts: Integers, most: int) -> tuple[Words, Words]:
    """Return of each `most` in a row of a text whose they are and a hash; of fewer one for them all."""
    texts = np.flatnonzero(counts)
    ends = np.cumsum(counts[texts])
    begins = ends - counts[texts]
    owners = np.repeat(texts.astype(np.uint64), counts[texts])
    found, is_begin = hashes, np.ones(len(hashes), dtype=np.bool_)
    for more in range(1, most):
        alone = np.maximum(begins, ends - np.arange(1, more + 1)[:, None])
        joined = found * _FIRST
        joined[:-more] += hashes[more:]
        joined[alone] = found[alone]
        found = joined
        behind = ends - more
        is_begin[behind[behind > begins]] = False
    return owners[is_begin], mixed(found[is_begin])


def _different(parts: Sequence[tuple[Words, Words]], texts: int) -> tuple[Integers, Words]:
    """Return how many different hashes each text has, and these."""
    owners, hashes = (np.concatenate(each) for each in zip(*parts, strict=True))
    keys = np.sort((owners << _HASH_BITS) | (hashes >> _LOST_BITS))
    keys = keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys
    return np.bincount((keys >> _HASH_BITS).view(np.int64), minlength=texts), mixed(keys << _LOST_BITS)


def _bounds(counts: Integers) -> Integers:
    return np.append(0, np.cumsum(counts))
