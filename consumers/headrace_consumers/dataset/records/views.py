"""Walked datums as a frame, without copying a string.

An Arrow string view is 16 bytes: the length, then the string itself where it has at most 12 bytes, else its first 4
bytes, the number of the buffer and the place in it. https://arrow.apache.org/docs/format/Columnar.html
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from headrace_consumers.dataset.records.datums import Shape, Walked
from headrace_consumers.dataset.records.json_scan import UNSURE
from headrace_consumers.dataset.records.plan import Kind

__all__ = ["frame_of_datums"]

_Booleans: TypeAlias = npt.NDArray[np.bool_]


def frame_of_datums(shape: Shape, datums: Walked) -> tuple[pl.DataFrame, _Booleans]:
    """Return the datums as a frame, and which of them are in it: those whose texts are JSON and strings UTF-8."""
    rows, count = datums.rows, datums.count
    is_taken = _are_text(datums) & (datums.texts != UNSURE).all(axis=0)
    bodies = [pa.py_buffer(body) for body in datums.bodies]
    values: dict[int, Any] = {
        Kind.STRING: (pa.string_view(), rows.views, bodies),
        Kind.LONG: (pa.int64(), rows.longs, []),
        Kind.DOUBLE: (pa.float64(), rows.doubles, []),
        Kind.BOOLEAN: (pa.bool_(), rows.booleans, []),
    }
    columns = {}
    for number, (name, kind, slot) in enumerate(zip(shape.names, shape.plan.kinds, shape.plan.slots, strict=True)):
        of_type, data, more = values[int(kind)]
        bits = pa.py_buffer(rows.is_there[number]) if shape.plan.is_optional[number] else None
        array = pa.Array.from_buffers(of_type, count, [bits, pa.py_buffer(data[slot]), *more])
        columns[name] = pl.Series(name, array)
    frame = pl.DataFrame(columns)
    return (frame if is_taken.all() else frame.filter(is_taken)), is_taken


def _are_text(datums: Walked) -> _Booleans:
    """Tell which datums hold nothing but UTF-8 in their strings; null is an empty string here."""
    is_text: _Booleans = datums.rows.is_ascii[: datums.count].copy()
    unsure = np.flatnonzero(~is_text)
    if not len(unsure):
        return is_text
    views = np.ascontiguousarray(datums.rows.views[:, unsure])
    bodies = [pa.py_buffer(body) for body in datums.bodies]
    strings, rows, _ = views.shape
    binary = pl.Series(pa.Array.from_buffers(pa.binary_view(), strings * rows, [None, pa.py_buffer(views), *bodies]))
    try:
        binary.cast(pl.String)
    except pl.exceptions.ComputeError:  # of some string, and it does not say which
        is_valid = np.asarray([_is_text(value) for value in binary.to_list()], np.bool_)
        is_text[unsure] = is_valid.reshape(strings, rows).all(axis=0)
    else:
        is_text[unsure] = True
    return is_text


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
