"""Messages' values and keys behind one another, put there once, while the processor's caches still hold them.

Whatever looks at a message's bytes afterwards looks here: the walk, the views of the rows, the keys.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["BODY_BYTES", "NONE", "PADDING", "Body", "bodies_of"]

_Integers: TypeAlias = npt.NDArray[np.int64]

PADDING: Final = 16
"""Bytes behind the last text: reads of 8 bytes may reach so far."""

BODY_BYTES: Final = 8_000_000
"""A body ends behind the text that reaches it, so that a place in it always fits into an Arrow view."""

NONE: Final = -1
"""The size of what is None, so that no text is taken for it."""


class Body(NamedTuple):
    """Some messages' bytes.

    Attributes:
        text: their values, then their keys, then PADDING.
        value_at, value_bytes, key_at, key_bytes: shape (n,), where each stands; NONE bytes where there is none.
    """

    text: bytes
    value_at: _Integers
    value_bytes: _Integers
    key_at: _Integers
    key_bytes: _Integers


def bodies_of(
    values: Sequence[bytes | None], keys: Sequence[bytes | None], body_bytes: int = BODY_BYTES
) -> Iterator[Body]:
    """Yield the bodies of messages, in their order: nearly always one.

    Args:
        values: n of them.
        keys: theirs.
        body_bytes: see BODY_BYTES.
    """
    values, value_bytes = _sized(values)
    keys, key_bytes = _sized(keys)
    ends = np.cumsum(np.maximum(value_bytes, 0) + np.maximum(key_bytes, 0))
    first = 0
    while first < len(ends):
        before = int(ends[first - 1]) if first else 0
        last = first + 1 + int(np.searchsorted(ends[first:-1], before + body_bytes, "left"))
        chosen = slice(first, last)
        text = b"".join([*values[chosen], *keys[chosen], bytes(PADDING)])
        value_at, behind = _starts(value_bytes[chosen], 0)
        key_at, _ = _starts(key_bytes[chosen], behind)
        yield Body(text, value_at, value_bytes[chosen], key_at, key_bytes[chosen])
        first = last


def _starts(sizes: _Integers, first: int) -> tuple[_Integers, int]:
    """Return where texts of such sizes stand from `first` on, and the place behind them."""
    ends = np.cumsum(np.concatenate(([first], np.maximum(sizes, 0))))
    return ends[:-1], int(ends[-1])


def _sized(texts: Sequence[bytes | None]) -> tuple[Sequence[bytes], _Integers]:
    """Return texts and their sizes; an empty one for None."""
    try:
        return texts, np.fromiter(map(len, texts), np.int64, len(texts))  # type: ignore[arg-type,return-value]
    except TypeError:  # None has no length
        sizes = np.fromiter((NONE if text is None else len(text) for text in texts), np.int64, len(texts))
        return [text or b"" for text in texts], sizes
