"""What `walk` is given and what it fills: the plan of a schema, a slice of messages, rows as Arrow wants them."""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Kind", "Plan", "Rows", "Rule", "Scratch", "Slice"]

_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Integers: TypeAlias = npt.NDArray[np.int64]
_Booleans: TypeAlias = npt.NDArray[np.bool_]
_Words: TypeAlias = npt.NDArray[np.uint64]


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
    """Some messages whose bytes stand in one body.

    Attributes:
        body: it, with PADDING behind the last text.
        words: the 8 bytes from each place of the body on.
        texts: shape (n, 4), where each value begins, its bytes, where the key begins, its bytes.
        latest_ms: of each, the last time that is not too late.
        first: the place of the first among all messages.
        buffer: the number of this body among the views' buffers.
    """

    body: _Bytes
    words: _Words
    texts: _Integers
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
