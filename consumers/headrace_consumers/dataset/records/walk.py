"""One pass over the bytes of many datums, compiled: which are plainly right, and their values as Arrow wants them.

    header -> fields stepped over -> rules of decode.check -> a row: views, numbers, bits, where the JSON texts stand

It only ever says yes. A datum gets a row if it is the header and one datum of the shape with nothing missing and
nothing left, and breaks no rule for sure. All others are for the reference to decide. Whether strings beyond ASCII are
UTF-8, and texts JSON, is asked of the rows.

Numbers are int64, or words of 8 bytes: numba makes a float of the sum of both.

https://avro.apache.org/docs/1.12.0/specification/#binary-encoding
https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from headrace_consumers.dataset.records.compiling import Entry, inner
from headrace_consumers.dataset.records.plan import Plan, Rows, Scratch, Slice

__all__ = ["walk"]

_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Integers: TypeAlias = npt.NDArray[np.int64]
_Booleans: TypeAlias = npt.NDArray[np.bool_]
_Words: TypeAlias = npt.NDArray[np.uint64]

# As in plan.py: what is compiled looks for changes in its own file only.
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
def _are_equal(words: _Words, at: int, other_at: int, size: int) -> bool:
    while size >= _WORD_BYTES:
        if words[at] != words[other_at]:
            return False
        at += _WORD_BYTES
        other_at += _WORD_BYTES
        size -= _WORD_BYTES
    return bool((words[at] ^ words[other_at]) & _LOW_BYTES[size] == _NO)


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
    key_at: int,
    key_bytes: int,
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
            is_right &= number > 0 and number == key_bytes
            is_right = is_right and _are_equal(words, start, key_at, number)
        elif rule == _SEALABLE:
            is_right &= not _begins(body, start, end, _SEALED)
    return is_right and (has_key_form or not is_full)


@Entry
def walk(plan: Plan, part: Slice, rows: Rows, row: int, scratch: Scratch) -> int:
    """Write a row for each datum of the slice that is plainly right, from `row` on; return the next row's number."""
    # Taken out of the tuples once: in a loop this is not free.
    header, kinds, is_optional, rules, slots, earliest_ms = plan
    body, words, texts, latest_ms, first, buffer = part
    views, longs, doubles, booleans, bits, places, is_ascii, text_starts, text_ends = rows
    starts, numbers, is_there = scratch
    for datum in range(texts.shape[0]):
        begin, end = texts[datum, 0], texts[datum, 0] + texts[datum, 1]
        key_at, key_bytes = texts[datum, 2], texts[datum, 3]
        if not _is_exact(header, kinds, is_optional, body, begin, end, starts, numbers, is_there) or not _is_right(
            rules, earliest_ms, latest_ms[datum], body, words, key_at, key_bytes, starts, numbers, is_there
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
