"""One pass over the bytes of many datums, compiled: which are plainly right, and their values as Arrow wants them.

    header -> fields stepped over -> rules of decode.check -> a row: views, numbers, bits, where the JSON texts stand

It only ever says yes. A datum gets a row if it is the header and one datum of the shape with nothing missing and
nothing left, and breaks no rule for sure. All others are for the reference to decide. Whether strings beyond ASCII are
UTF-8, and texts JSON, is asked of the rows.

Numbers are int64, or words of 8 bytes: numba makes a float of the sum of both.

https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
"""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace_consumers.dataset.records.compiling import Entry, inner

__all__ = ["PADDING", "Kind", "Plan", "Rows", "Rule", "Slice", "walk"]

_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Integers: TypeAlias = npt.NDArray[np.int64]
_Booleans: TypeAlias = npt.NDArray[np.bool_]
_Words: TypeAlias = npt.NDArray[np.uint64]

PADDING: Final = 16
"""Bytes behind the last datum and the last key: reads of 8 bytes may reach so far."""


class Kind:
    """What a field is."""

    STRING, LONG, DOUBLE, BOOLEAN = range(4)


class Rule:
    """What `decode.check` asks of a field that is not null.

    NAME: a valid name. TIME: neither too early nor too late. COUNT: a long, not negative. MEASURE: a double, finite
    and not negative. SHARE: a double above 0, at most 1. LEVEL: full or outcome. KEY: the message's key, and 64 hex
    digits where the level is full. TEXT: JSON, whose place is kept. SEALABLE: the same, and not encrypted.
    """

    NONE, NAME, TIME, COUNT, MEASURE, SHARE, LEVEL, KEY, TEXT, SEALABLE = range(10)


_STRING, _LONG, _DOUBLE, _BOOLEAN = range(4)
_NONE, _NAME, _TIME, _COUNT, _MEASURE, _SHARE, _LEVEL, _KEY, _TEXT, _SEALABLE = range(10)

_NULL, _VALUE = 0, 2  # the branches of a union [null, T], as zigzag varints of one byte
_CONTINUES: Final = 128
_LENGTH_BYTES: Final = 5  # of a varint; a length of up to 2^34 never overflows a place
_LONG_BYTES: Final = 9  # the tenth byte of a varint holds bits that decoders treat differently
_WORD_BYTES: Final = 8
_INLINE: Final = 12  # a view holds a string of so many bytes itself
_PREFIX: Final = 4
_KEY_BYTES: Final = 64
_NAME_BYTES: Final = 128

_FULL: Final = np.frombuffer(b"full", np.uint8)
_OUTCOME: Final = np.frombuffer(b"outcome", np.uint8)
_SEALED: Final = np.frombuffer(b'{"$hr:enc":"', np.uint8)
_IN_NAMES: Final = np.asarray(
    [(chr(byte).isalnum() and byte < _CONTINUES) or chr(byte) in "_.-" for byte in range(256)]
)
_DOT: Final = 46

_NO: Final = np.uint64(0)
_HIGHS: Final = np.uint64(0x8080808080808080)
_ZEROS: Final = np.uint64(0x3030303030303030)
_BACKTICKS: Final = np.uint64(0x6060606060606060)
_ONE_UP: Final = np.uint64(0x7F7F7F7F7F7F7F7F)  # sets the high bit from 1 on
_SEVEN_UP: Final = np.uint64(0x7979797979797979)
_TEN_UP: Final = np.uint64(0x7676767676767676)
_LOW_BYTES: Final = np.asarray([(1 << 8 * kept) - 1 for kept in range(9)], np.uint64)  # keep a word's first bytes
_INFINITY: Final = np.uint64(0x7FF0000000000000)  # doubles that are not negative are ordered as their bits are
_ONE: Final = np.uint64(0x3FF0000000000000)
_MINUS_ZERO: Final = np.uint64(0x8000000000000000)
_HALF: Final = np.uint64(32)


class Plan(NamedTuple):
    """What each field is, and what is asked of it.

    Attributes:
        header: the bytes before each datum.
        kinds: shape (fields,), of `Kind`.
        is_optional: shape (fields,), whether it is [null, T].
        rules: shape (fields,), of `Rule`.
        slots: shape (fields,), the field's number among those of its kind.
        earliest_ms: of a field with the rule TIME.
    """

    header: _Bytes
    kinds: _Integers
    is_optional: _Booleans
    rules: _Integers
    slots: _Integers
    earliest_ms: int


class Slice(NamedTuple):
    """Some messages.

    Attributes:
        body: their values behind one another, and PADDING more.
        words: the 8 bytes from each place of the body on.
        ends: where each value ends.
        keys: the 8 bytes from each place on of their keys, which stand behind one another.
        key_ends: where each key ends.
        latest_ms: of each, the last time that is not too late.
        first: the place of the first among all messages.
        buffer: the number of this body among the views' buffers.
    """

    body: _Bytes
    words: _Words
    ends: _Integers
    keys: _Words
    key_ends: _Integers
    latest_ms: _Integers
    first: int
    buffer: int


class Rows(NamedTuple):
    """What is filled row by row, zero before; bits are counted from a byte's lowest, as Arrow does.

    Attributes:
        views: shape (strings, capacity, 2).
        longs: shape (longs, capacity).
        doubles: shape (doubles, capacity), their bits.
        booleans: shape (booleans, capacity / 8), bits.
        is_there: shape (fields, capacity / 8), bits; of optional fields only.
        places: shape (capacity,), of the messages.
        is_ascii: shape (capacity,), whether all strings are.
        text_starts, text_ends: shape (texts, capacity), where JSON stands in the slice's body.
    """

    views: _Words
    longs: _Integers
    doubles: _Words
    booleans: _Bytes
    is_there: _Bytes
    places: _Integers
    is_ascii: _Booleans
    text_starts: _Integers
    text_ends: _Integers


class Scratch(NamedTuple):
    """One datum's values, an entry a field: where it begins, a long or a string's length, whether it is not null."""

    starts: _Integers
    numbers: _Integers
    is_there: _Booleans


@inner
def _varint(body: _Bytes, at: int, end: int, longest: int) -> tuple[int, int]:
    """Return a varint, zigzag undone, and the place behind it; -1 where it is cut off or longer than allowed."""
    number = 0
    for place in range(longest):
        if at >= end:
            return 0, -1
        byte = int(body[at])
        at += 1
        number |= (byte & (_CONTINUES - 1)) << (7 * place)
        if byte < _CONTINUES:
            return (number >> 1) ^ -(number & 1), at
    return 0, -1


@inner
def _begins(body: _Bytes, at: int, end: int, literal: _Bytes) -> bool:
    if end - at < literal.size:
        return False
    for place in range(literal.size):  # noqa: SIM110  # numba does not compile all() of this
        if body[at + place] != literal[place]:
            return False
    return True


@inner
def _is_exact(  # noqa: PLR0917  # each is a register of the machine's
    header: _Bytes,
    kinds: _Integers,
    is_optional: _Booleans,
    body: _Bytes,
    at: int,
    end: int,
    starts: _Integers,
    numbers: _Integers,
    is_there: _Booleans,
) -> bool:
    """Tell whether the bytes are exactly one datum, and write where its values stand."""
    if not _begins(body, at, end, header):
        return False
    at += header.size
    for field in range(kinds.size):
        is_there[field] = True
        if is_optional[field]:
            if at >= end or (body[at] != _NULL and body[at] != _VALUE):
                return False
            at += 1
            if body[at - 1] == _NULL:
                is_there[field] = False
                continue
        kind = kinds[field]
        if kind == _STRING:
            length, at = _varint(body, at, end, _LENGTH_BYTES)
            if at < 0 or length < 0 or length > end - at:
                return False
            starts[field], numbers[field] = at, length
            at += length
        elif kind == _LONG:
            numbers[field], at = _varint(body, at, end, _LONG_BYTES)
            if at < 0:
                return False
        else:
            size = _WORD_BYTES if kind == _DOUBLE else 1
            if size > end - at or (kind == _BOOLEAN and body[at] > 1):
                return False
            starts[field], numbers[field] = at, body[at]
            at += size
    return at == end


@inner
def _is_name(body: _Bytes, at: int, size: int) -> bool:
    """See headrace_schemas.names."""
    if not 1 <= size <= _NAME_BYTES:
        return False
    dots = 0
    for place in range(at, at + size):
        if not _IN_NAMES[body[place]]:
            return False
        dots += body[place] == _DOT
    return dots < size or size > 2  # noqa: PLR2004  # . and ..


@inner
def _is_key(words: _Words, at: int, size: int) -> bool:
    """Tell whether these are 64 hex digits: of each byte the high bit says so, if none was set before."""
    if size != _KEY_BYTES:
        return False
    for place in range(at, at + _KEY_BYTES, _WORD_BYTES):
        word = words[place]
        digit, letter = word ^ _ZEROS, word ^ _BACKTICKS  # 0 to 9, 1 to 6
        is_hex = ~(digit + _TEN_UP) | ((letter + _ONE_UP) & ~(letter + _SEVEN_UP))
        if word & _HIGHS != _NO or is_hex & _HIGHS != _HIGHS:
            return False
    return True


@inner
def _are_equal(words: _Words, at: int, others: _Words, other_at: int, size: int) -> bool:
    while size >= _WORD_BYTES:
        if words[at] != others[other_at]:
            return False
        at += _WORD_BYTES
        other_at += _WORD_BYTES
        size -= _WORD_BYTES
    return bool((words[at] ^ others[other_at]) & _LOW_BYTES[size] == _NO)


@inner
def _is_ascii(words: _Words, at: int, size: int) -> bool:
    seen = _NO
    while size >= _WORD_BYTES:
        seen |= words[at]
        at += _WORD_BYTES
        size -= _WORD_BYTES
    seen |= words[at] & _LOW_BYTES[size]
    return bool(seen & _HIGHS == _NO)


@inner
def _is_right(  # noqa: PLR0917
    rules: _Integers,
    earliest_ms: int,
    latest_ms: int,
    body: _Bytes,
    words: _Words,
    keys: _Words,
    key_at: int,
    key_end: int,
    starts: _Integers,
    numbers: _Integers,
    is_there: _Booleans,
) -> bool:
    """Tell whether a datum surely breaks no rule."""
    is_right, is_full, has_key_form = True, True, True
    for field in range(rules.size):
        rule = rules[field]
        if rule == _NONE or not is_there[field]:
            continue
        start, number = starts[field], numbers[field]
        end = start + number
        if rule == _NAME:
            is_right &= _is_name(body, start, number)
        elif rule == _TIME:
            is_right &= earliest_ms <= number <= latest_ms
        elif rule == _COUNT:
            is_right &= number >= 0
        elif rule == _MEASURE:
            is_right &= words[start] < _INFINITY or words[start] == _MINUS_ZERO
        elif rule == _SHARE:
            is_right &= _NO < words[start] <= _ONE
        elif rule == _LEVEL:
            is_full = number == _FULL.size and _begins(body, start, end, _FULL)
            is_right &= is_full or (number == _OUTCOME.size and _begins(body, start, end, _OUTCOME))
        elif rule == _KEY:
            has_key_form = _is_key(words, start, number)
            is_right &= number > 0 and number == key_end - key_at
            is_right = is_right and _are_equal(words, start, keys, key_at, number)
        elif rule == _SEALABLE:
            is_right &= not _begins(body, start, end, _SEALED)
    return is_right and (has_key_form or not is_full)


@Entry
def walk(plan: Plan, part: Slice, rows: Rows, row: int, scratch: Scratch) -> int:
    """Write a row for each datum of the slice that is plainly right, from `row` on; return the next row's number."""
    # Taken out of the tuples once: in a loop this is not free.
    header, kinds, is_optional, rules, slots, earliest_ms = plan
    body, words, ends, keys, key_ends, latest_ms, first, buffer = part
    views, longs, doubles, booleans, bits, places, is_ascii, text_starts, text_ends = rows
    starts, numbers, is_there = scratch
    at = key_at = 0
    for datum in range(ends.size):
        begin, key_begin = at, key_at
        at, key_at = ends[datum], key_ends[datum]
        if not _is_exact(header, kinds, is_optional, body, begin, at, starts, numbers, is_there) or not _is_right(
            rules, earliest_ms, latest_ms[datum], body, words, keys, key_begin, key_at, starts, numbers, is_there
        ):
            continue
        byte, bit = row >> 3, np.uint8(1 << (row & 7))
        are_ascii, text = True, 0
        for field in range(kinds.size):
            if not is_there[field]:
                continue
            if is_optional[field]:
                bits[field, byte] |= bit
            kind, slot, start, number = kinds[field], slots[field], starts[field], numbers[field]
            if kind == _STRING:
                are_ascii &= _is_ascii(words, start, number)
                if number > _INLINE:
                    views[slot, row, 0] = np.uint64(number) | words[start] << _HALF
                    views[slot, row, 1] = np.uint64(buffer) | np.uint64(start) << _HALF
                else:
                    head = words[start] & _LOW_BYTES[min(number, _PREFIX)]
                    views[slot, row, 0] = np.uint64(number) | head << _HALF
                    views[slot, row, 1] = words[start + _PREFIX] & _LOW_BYTES[max(number - _PREFIX, 0)]
                if rules[field] >= _TEXT:
                    text_starts[text, row], text_ends[text, row] = start, start + number
                    text += 1
            elif kind == _LONG:
                longs[slot, row] = number
            elif kind == _DOUBLE:
                doubles[slot, row] = words[start]
            elif number:
                booleans[slot, byte] |= bit
        places[row] = first + datum
        is_ascii[row] = are_ascii
        row += 1
    return row
