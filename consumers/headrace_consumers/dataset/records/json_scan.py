"""Whether many texts are JSON objects, found in one pass over their bytes, and which of their fields are filled.

Python's json decides what is JSON, as it always did: it takes NaN and refuses what is nested too deeply or has
thousands of digits. This only ever says yes, and only of what RFC 8259 allows, well within Python's limits; all else
is for Python to decide. https://www.rfc-editor.org/rfc/rfc8259
"""

# ruff: noqa: PLR1714, PLR2004, SIM109  # bytes are compared one by one: so numba compiles them well

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace_consumers.dataset.records.compiling import Entry, inner

__all__ = ["EMPTY", "FILLED", "PARTLY", "UNSURE", "scan"]

_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Integers: TypeAlias = npt.NDArray[np.int64]
_Words: TypeAlias = npt.NDArray[np.uint64]

UNSURE, EMPTY, FILLED, PARTLY = -1, 0, 1, 2
"""What is no object for sure; an object without fields, with only filled ones, with others or unsure ones."""

_DEPTH: Final = 64  # Python gives up somewhere below 1,000
_DIGITS: Final = 600  # Python's own limit of an integer's digits can be set as low as 640

_FIRST_KEY, _KEY, _FIRST_ITEM, _VALUE, _BEHIND = range(5)
"""What comes next; behind a value comes a comma or an end."""

_TAB, _LINE_FEED, _RETURN, _SPACE = 9, 10, 13, 32
_QUOTE, _PLUS, _COMMA, _MINUS, _POINT, _SLASH, _ZERO, _NINE, _COLON, _LESS = 34, 43, 44, 45, 46, 47, 48, 57, 58, 60
_E, _LIST, _BACKSLASH, _LIST_END, _A, _B, _F, _N, _R, _T, _U, _OBJECT, _OBJECT_END, _TILDE = (
    101, 91, 92, 93, 97, 98, 102, 110, 114, 116, 117, 123, 125, 126,
)  # fmt: skip
_LOWER = np.uint8(32)  # this bit makes a letter a small one

_TRUE: Final = np.frombuffer(b"true", np.uint8)
_FALSE: Final = np.frombuffer(b"false", np.uint8)
_NULL: Final = np.frombuffer(b"null", np.uint8)

_NO, _BIT = np.uint64(0), np.uint64(1)
_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_QUOTES: Final = np.uint64(0x2222222222222222)
_BACKSLASHES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
_SPACES: Final = np.uint64(0x2020202020202020)
_LOW_HALF, _LOW_QUARTER, _LOW_BYTE = np.uint64(0xFFFFFFFF), np.uint64(0xFFFF), np.uint64(0xFF)
_HALF_BITS, _QUARTER_BITS = np.uint64(32), np.uint64(16)


@inner
def _behind_space(body: _Bytes, at: int, end: int) -> int:
    while at < end and (
        body[at] == _SPACE or body[at] == _LINE_FEED or body[at] == _RETURN or body[at] == _TAB
    ):  # fmt: skip
        at += 1
    return at


@inner
def _behind_word(body: _Bytes, at: int, end: int, word: _Bytes) -> int:
    """Return the place behind a word; -1 where it does not stand."""
    if end - at < word.size:
        return -1
    for place in range(word.size):
        if body[at + place] != word[place]:
            return -1
    return at + word.size


@inner
def _behind_digits(body: _Bytes, at: int, end: int) -> int:
    """Return the place behind one digit or more; -1 where there is none, or where there are very many."""
    first = at
    while at < end and _ZERO <= body[at] <= _NINE:
        at += 1
    return at if first < at <= first + _DIGITS else -1


@inner
def _behind_number(body: _Bytes, at: int, end: int) -> int:
    """Return the place behind a number; -1 where there is none, or unsure."""
    if body[at] == _MINUS:
        at += 1
    first = at
    at = _behind_digits(body, at, end)
    if at < 0 or (body[first] == _ZERO and at > first + 1):
        return -1
    if at < end and body[at] == _POINT:
        at = _behind_digits(body, at + 1, end)
    if 0 <= at < end and (body[at] | _LOWER) == _E:
        at += 1
        if at < end and (body[at] == _PLUS or body[at] == _MINUS):
            at += 1
        at = _behind_digits(body, at, end)
    return at


@inner
def _behind_escape(body: _Bytes, at: int, end: int) -> int:
    """Return the place behind what follows a backslash; -1 where it is no escape."""
    if at >= end:
        return -1
    byte = body[at]
    if byte == _U:
        if end - at < 5:  # u and four digits
            return -1
        for place in range(at + 1, at + 5):
            if not (_ZERO <= body[place] <= _NINE or _A <= body[place] | _LOWER <= _F):
                return -1
        return at + 5
    if byte == _QUOTE or byte == _BACKSLASH or byte == _SLASH or byte == _B:
        return at + 1
    return at + 1 if byte == _F or byte == _N or byte == _R or byte == _T else -1


@inner
def _behind_string(body: _Bytes, words: _Words, at: int, end: int) -> int:
    """Return the place behind a string, eight bytes a step; -1 where there is none."""
    if at >= end or body[at] != _QUOTE:
        return -1
    at += 1
    while 0 <= at < end:
        word = words[at]
        quote, backslash = word ^ _QUOTES, word ^ _BACKSLASHES
        # The high bit is set of each byte that is 0, or below 32. A borrow may set more, but only above one that is
        # right: the lowest always is. https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord
        found = (((quote - _ONES) & ~quote) | ((backslash - _ONES) & ~backslash) | ((word - _SPACES) & ~word)) & _HIGHS
        if found == _NO:
            at += 8
            continue
        if found & _LOW_HALF == _NO:
            at += 4
            found >>= _HALF_BITS
        if found & _LOW_QUARTER == _NO:
            at += 2
            found >>= _QUARTER_BITS
        if found & _LOW_BYTE == _NO:
            at += 1
        if at >= end:
            return -1
        if body[at] == _QUOTE:
            return at + 1
        at = _behind_escape(body, at + 1, end) if body[at] == _BACKSLASH else -1
    return -1


@inner
def _is_ink(byte: int, following: int) -> bool:
    """Tell whether a string that begins so is neither empty, nor space, nor marked as unencodable; unsure is no."""
    if byte < 128:
        return _SPACE < byte <= _TILDE and byte != _QUOTE and byte != _LESS and byte != _BACKSLASH
    if byte == 0xE3:  # U+3000 is a space
        return following != 0x80
    return byte != 0xC2 and byte != 0xE1 and byte != 0xE2  # other spaces begin so


@inner
def _object(body: _Bytes, words: _Words, at: int, end: int) -> int:  # noqa: PLR0912  # a case for each thing that may come
    """Return UNSURE, EMPTY, FILLED or PARTLY of a text."""
    lists = _NO  # a bit for each level, the lowest for the innermost: is it a list?
    depth, state, fields, are_filled = 0, _VALUE, 0, True
    while depth or state != _BEHIND:
        at = _behind_space(body, at, end)
        if at < 0 or at >= end:
            return UNSURE
        byte = body[at]
        in_list = lists & _BIT != _NO
        if state == _BEHIND and byte == _COMMA:
            at += 1
            state = _VALUE if in_list else _KEY
        elif (
            state == _BEHIND
            or (state == _FIRST_ITEM and byte == _LIST_END)
            or (state == _FIRST_KEY and byte == _OBJECT_END)
        ):
            if byte != (_LIST_END if in_list else _OBJECT_END):
                return UNSURE
            are_filled &= depth != 2 or state == _BEHIND  # a field's value
            at += 1
            depth -= 1
            lists >>= _BIT
            state = _BEHIND
        elif state == _FIRST_KEY or state == _KEY:
            at = _behind_string(body, words, at, end)
            if at >= 0:
                at = _behind_space(body, at, end)
            if at < 0 or at >= end or body[at] != _COLON:
                return UNSURE
            at += 1
            state = _VALUE
            fields += depth == 1
        elif byte == _OBJECT or (byte == _LIST and depth):
            if depth == _DEPTH:
                return UNSURE
            at += 1
            depth += 1
            lists = lists << _BIT | np.uint64(byte == _LIST)
            state = _FIRST_ITEM if byte == _LIST else _FIRST_KEY
        elif depth == 0:
            return UNSURE
        else:
            if depth == 1 and (byte == _N or (byte == _QUOTE and not _is_ink(body[at + 1], body[at + 2]))):
                are_filled = False
            if byte == _QUOTE:
                at = _behind_string(body, words, at, end)
            elif byte == _N:
                at = _behind_word(body, at, end, _NULL)
            elif byte == _T:
                at = _behind_word(body, at, end, _TRUE)
            elif byte == _F:
                at = _behind_word(body, at, end, _FALSE)
            else:
                at = _behind_number(body, at, end)
            state = _BEHIND
    if at < 0 or _behind_space(body, at, end) != end:
        return UNSURE
    if fields == 0:
        return EMPTY
    return FILLED if are_filled else PARTLY


@Entry
def scan(body: _Bytes, words: _Words, starts: _Integers, ends: _Integers, found: npt.NDArray[np.int8]) -> None:
    """Say of each text what it is.

    Args:
        body: bytes in which the texts stand, and 8 more at least.
        words: the 8 bytes from each place of the body on.
        starts: shape (n,).
        ends: shape (n,).
        found: shape (n,), is filled with UNSURE, EMPTY, FILLED or PARTLY.
    """
    for text in range(starts.size):
        found[text] = _object(body, words, starts[text], ends[text])
