"""Walked datums as columns. Strings stay where they stand in the datums' bytes: a column is views of them.

An Arrow string view is 16 bytes: the length, then the string itself where it has at most 12 bytes, else its first 4
bytes, the number of the buffer and the place in it. https://arrow.apache.org/docs/format/Columnar.html
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from headrace_consumers.dataset.records.datums import Shape, Walked

__all__ = ["columns_of"]

_Integers: TypeAlias = npt.NDArray[np.int64]
_Booleans: TypeAlias = npt.NDArray[np.bool_]
_Words: TypeAlias = npt.NDArray[np.uint64]

_INLINE: Final = 12
_PREFIX_BITS: Final = np.uint64(32)
_LOW_BYTES: Final = np.asarray([(1 << 8 * kept) - 1 for kept in range(9)], np.uint64)
"""Masks that keep so many of a word's first bytes."""


def columns_of(shape: Shape, names: Sequence[str], datums: Walked) -> tuple[pl.DataFrame, _Booleans]:
    """Return the datums as a frame, and which of them are in it: those whose strings are UTF-8.

    Args:
        shape: what was walked.
        names: of its fields, in their order.
        datums: at least one.
    """
    strings, is_text = _strings(datums, _fields(shape, "string"))
    series = dict(zip(_fields(shape, "string"), strings, strict=True))
    for kind in ("long", "double", "boolean"):
        fields = _fields(shape, kind)
        series |= zip(fields, _numbers(datums, fields, kind), strict=True)
    frame = pl.DataFrame([series[number].alias(name) for number, name in enumerate(names)])
    return (frame if is_text.all() else frame.filter(is_text)), is_text


def _fields(shape: Shape, wanted: str) -> list[int]:
    return [number for number, (kind, _) in enumerate(shape.fields) if kind == wanted]


def _strings(datums: Walked, fields: Sequence[int]) -> tuple[list[pl.Series], _Booleans]:
    """Return string columns, and which datums hold nothing but UTF-8 in them; others' strings are empty."""
    starts, lengths, is_there = datums.starts[fields], datums.numbers[fields], datums.is_there[fields]
    is_text = np.ones(starts.shape[1], np.bool_)
    try:
        return _columns(_text(datums.body, starts, lengths, is_there), starts.shape), is_text
    except pl.exceptions.ComputeError:
        for number, (begins, sizes) in enumerate(zip(starts.T.tolist(), lengths.T.tolist(), strict=True)):
            is_text[number] = all(_is_text(datums.body[at : at + n]) for at, n in zip(begins, sizes, strict=True))
    lengths = np.where(is_text, lengths, 0)
    return _columns(_text(datums.body, starts, lengths, is_there), starts.shape), is_text


def _text(body: bytes, starts: _Integers, lengths: _Integers, is_there: _Booleans) -> pl.Series:
    """Return all strings as one series.

    Raises:
        ComputeError: one of them is not UTF-8.
    """
    views = pa.py_buffer(_views(body, starts.ravel(), lengths.ravel()))
    binary = pa.Array.from_buffers(pa.binary_view(), starts.size, [_bitmap(is_there), views, pa.py_buffer(body)])
    return pl.Series(binary).cast(pl.String)


def _views(body: bytes, starts: _Integers, lengths: _Integers) -> _Words:
    """Return the views, shape (n, 2)."""
    words = np.ndarray(len(body) - 7, "<u8", body, strides=1)  # the 8 bytes from each place on
    first = words[starts]
    views = np.empty((len(starts), 2), np.uint64)
    views[:, 0] = lengths.view(np.uint64) | first << _PREFIX_BITS
    views[:, 1] = starts.view(np.uint64) << _PREFIX_BITS  # the only buffer has the number 0
    short = np.flatnonzero(lengths <= _INLINE)
    size, head = lengths[short], first[short]
    tail = words[starts[short] + 4] & _LOW_BYTES[np.clip(size - 4, 0, 8)]
    head &= _LOW_BYTES[np.minimum(size, 4)]
    views[short, 0] = size.view(np.uint64) | head << _PREFIX_BITS
    views[short, 1] = tail
    return views


def _numbers(datums: Walked, fields: Sequence[int], kind: str) -> list[pl.Series]:
    is_there = datums.is_there[fields]
    if kind == "double":
        doubles = np.ndarray(len(datums.body) - 7, "<f8", datums.body, strides=1)
        values = pa.array(doubles[datums.starts[fields]].ravel())
    else:
        values = pa.array(datums.numbers[fields].ravel())
    array = pa.Array.from_buffers(values.type, is_there.size, [_bitmap(is_there), values.buffers()[1]])
    series = pl.Series(array)
    return _columns(series.cast(pl.Boolean) if kind == "boolean" else series, is_there.shape)


def _columns(series: pl.Series, shape: tuple[int, ...]) -> list[pl.Series]:
    count, rows = shape
    return [series.slice(number * rows, rows) for number in range(count)]


def _bitmap(is_there: _Booleans) -> pa.Buffer | None:
    return None if is_there.all() else pa.py_buffer(np.packbits(is_there.ravel(), bitorder="little"))


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
