"""Canonical JSON by columns: what `canonical.dumps` writes of each row, without an object for each row.

A member's value is written once for each different value; texts that are JSON already are taken as they are. The names
of a line's members must be sorted, as RFC 8785 wants them.
"""

import json
from collections.abc import Collection, Mapping
from typing import Final

import numpy as np
import polars as pl

from headrace_schemas import CanonicalizationError, canonical

__all__ = ["integer", "iso_time", "lines", "number", "object_text", "on_one_line", "plain", "raw", "text"]

_NULL: Final = "null"
_ESCAPED: Final = r'["\\\x00-\x1f]'
"""What a text's JSON cannot hold as it is."""

_LEAST_PLAIN: Final = 1e-4
_MOST_PLAIN: Final = 1e15


def plain(column: str) -> pl.Expr:
    """Return a text that needs no escape: hex digits, a word of ours."""
    return pl.concat_str(pl.lit('"'), pl.col(column), pl.lit('"')).fill_null(_NULL)


def raw(column: str) -> pl.Expr:
    """Return a text that is canonical JSON."""
    return pl.col(column)


def integer(column: str) -> pl.Expr:
    """Return a whole number below 2^53."""
    return pl.col(column).cast(pl.String).fill_null(_NULL)


def text(column: str) -> pl.Expr:
    """Return any text, escaped."""
    return pl.col(column).map_batches(_written, return_dtype=pl.String)


def number(column: str) -> pl.Expr:
    """Return a floating-point number as ECMAScript writes it."""
    return pl.col(column).map_batches(_numbers, return_dtype=pl.String)


def iso_time(column: str) -> pl.Expr:
    """Return milliseconds since the epoch as ISO 8601 in UTC with a Z."""
    return pl.from_epoch(pl.col(column), "ms").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")


def object_text(members: Mapping[str, pl.Expr], optional: Collection[str] = (), *, end: str = "") -> pl.Expr:
    """Return an object's canonical JSON.

    Args:
        members: name -> its value's; sorted by name.
        optional: of these, those that are left out where their value is null; not the first.
        end: what follows the object.
    """
    parts: list[pl.Expr] = []
    for at, (name, value) in enumerate(members.items()):
        begin = pl.lit(f'{"," if at else "{"}"{name}":')
        parts += [pl.concat_str(begin, value).fill_null("")] if name in optional else [begin, value]
    return pl.concat_str([*parts, pl.lit(f"}}{end}")])


def lines(frame: pl.DataFrame, members: Mapping[str, pl.Expr]) -> bytes | memoryview:
    """Return a line a row, each with its newline."""
    if frame.is_empty():
        return b""
    # Arrow keeps the texts of a column behind one another: they never are texts of Python.
    column = frame.select(object_text(members, end="\n")).to_series().rechunk().to_arrow()
    offsets, content = np.frombuffer(column.buffers()[1], dtype=np.int64), column.buffers()[2]
    first, last = int(offsets[column.offset]), int(offsets[column.offset + len(column)])
    return memoryview(content).cast("B")[first:last]


def on_one_line(texts: pl.Series) -> pl.Series:
    """Return JSON texts on one line each: another producer may have laid them out.

    A line break in JSON is never part of a value, so only such texts are read and written anew.
    """
    broken = texts.str.contains("[\r\n]")
    if not broken.any():
        return texts
    mended = pl.Series(
        [_canonical(each) if is_broken else each for each, is_broken in zip(texts, broken, strict=True)],
        dtype=pl.String,
    )
    return mended.alias(texts.name)


def _canonical(broken: str) -> str:
    try:
        return canonical.dumps(canonical.loads(broken)).decode()
    except CanonicalizationError:
        return json.dumps(json.loads(broken), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _numbers(column: pl.Series) -> pl.Series:
    if (one := _only(column)) is not None:
        return one
    # There Polars writes what ECMAScript does: the shortest digits that are read as this number.
    is_plain = column.is_between(_LEAST_PLAIN, _MOST_PLAIN, closed="left") & (column != column.round(0))
    others = (~is_plain).fill_null(value=True)
    if not others.any():
        return column.cast(pl.String)
    return column.cast(pl.String).scatter(others.arg_true(), _written(column.filter(others)))


def _only(column: pl.Series) -> pl.Series | None:
    """Return what is written of a column with one value, as many have that tell where a row came from; else None."""
    if column.is_empty() or column[0] != column[-1]:
        return None
    if not column.eq_missing(pl.repeat(column[0], len(column), dtype=column.dtype, eager=True)).all():
        return None
    write = _number if column.dtype == pl.Float64 else _text
    return pl.repeat(write(column[0]), len(column), dtype=pl.String, eager=True).alias(column.name)


def _written(column: pl.Series) -> pl.Series:
    if (one := _only(column)) is not None:
        return one
    if column.dtype == pl.String and not column.str.contains(_ESCAPED).any():
        return pl.select(pl.concat_str(pl.lit('"'), column, pl.lit('"')).fill_null(_NULL)).to_series()
    write = _number if column.dtype == pl.Float64 else _text
    different = column.unique()
    if 2 * len(different) > len(column):
        return pl.Series(column.name, [*map(write, column)], dtype=pl.String)
    found = pl.Series([*map(write, different)], dtype=pl.String)
    return column.replace_strict(different, found, return_dtype=pl.String)


def _number(value: float | None) -> str:
    if value is None:
        return _NULL
    if _LEAST_PLAIN <= value < _MOST_PLAIN and not value.is_integer():  # there Python writes what ECMAScript does
        return repr(value)
    return canonical.dumps(value).decode()


def _text(value: str | None) -> str:
    return _NULL if value is None else json.dumps(value, ensure_ascii=False)
