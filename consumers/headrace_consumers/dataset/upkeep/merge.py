"""Several Parquet files of the table as one, in the same order of rows, with memory for one row group of it.

Each file is sorted, so each is read once from its beginning to its end, side by side: only the columns of the order are
held for all rows.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace_consumers.dataset.delta.files import ROW_GROUP_ROWS
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.store import Sink

__all__ = ["Merge"]

GROUP_BYTES: Final = 32_000_000
"""A row group has at most about this much, uncompressed; records of a megabyte make small ones."""

_BUFFER_BYTES: Final = 65_536


class Merge:
    """Writes one file with the rows of others.

    Args:
        sources: Parquet files; columns that one lacks are null in its rows.
        schema: of the file that is written.
        target: an empty file.
        layout: the table's.
        is_kept: tells of a group's rows which are written; None: all.

    Attributes:
        rows: written so far.
        bounds: column -> the smallest and largest value written so far, of the layout's `bounded`.
    """

    def __init__(
        self,
        sources: Sequence[Sink],
        schema: pa.Schema,
        target: Sink,
        layout: Layout,
        is_kept: Callable[[pa.Table], pa.ChunkedArray] | None = None,
    ) -> None:
        self._is_kept = is_kept
        self._layout = layout
        self._sources = sources
        self._schema = schema
        self._target = target
        self.rows = 0
        self.bounds: dict[str, Mapping[str, Any]] = {}

    def steps(self) -> Iterator[None]:
        """Write, and yield after each row group.

        Raises:
            OSError, ArrowException: a file cannot be read or written; the target is not to be used.
        """
        with contextlib.ExitStack() as stack:
            files = [
                stack.enter_context(pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES))
                for path in self._sources
            ]
            chunk_rows = _rows_of_a_group(files)
            ahead = max(1, chunk_rows // len(files))
            readers = [_Reader(file, self._schema, ahead) for file in files]
            order = _order(files, self._layout.order)
            yield
            writer = stack.enter_context(pq.ParquetWriter(self._target, self._schema, **self._layout.writer_options))
            for begin in range(0, len(order), chunk_rows):
                group = _gather(readers, order[begin : begin + chunk_rows])
                if self._is_kept is not None:
                    group = group.filter(self._is_kept(group))
                if not group.num_rows:
                    continue
                writer.write_table(group, row_group_size=group.num_rows)
                self._account(group)
                yield

    def _account(self, group: pa.Table) -> None:
        self.rows += group.num_rows
        for name in self._layout.bounded:
            bound = pc.min_max(group[name]).as_py()
            known = self.bounds.get(name, bound)
            self.bounds[name] = {"min": min(bound["min"], known["min"]), "max": max(bound["max"], known["max"])}


class _Reader:
    """Gives a file's rows from its beginning to its end, so many at a time."""

    def __init__(self, file: pq.ParquetFile, schema: pa.Schema, ahead: int) -> None:
        self._schema = schema
        columns = [name for name in schema.names if name in file.schema_arrow.names]
        self._batches = file.iter_batches(ahead, columns=columns)
        self._rest = schema.empty_table()

    def take(self, rows: int) -> pa.Table:
        parts = [self._rest]
        missing = rows - self._rest.num_rows
        while missing > 0:
            parts.append(self._conformed(pa.Table.from_batches([next(self._batches)])))
            missing -= parts[-1].num_rows
        table = pa.concat_tables(parts)
        self._rest = table.slice(rows)
        return table.slice(0, rows)

    def _conformed(self, table: pa.Table) -> pa.Table:
        nulls = {f.name: pa.nulls(table.num_rows, f.type) for f in self._schema if f.name not in table.column_names}
        return pa.table(
            [nulls.get(name) if name in nulls else table[name] for name in self._schema.names], self._schema.names
        ).cast(self._schema)


def _gather(readers: Sequence[_Reader], sources: npt.NDArray[np.uint32]) -> pa.Table:
    """Return a row for each entry of `sources`, the next one of that reader."""
    counts = np.bincount(sources, minlength=len(readers)).tolist()
    taken = pa.concat_tables([reader.take(rows) for reader, rows in zip(readers, counts, strict=True) if rows])
    places = np.empty(len(sources), np.int64)
    places[np.argsort(sources, kind="stable")] = np.arange(len(sources))
    return taken.combine_chunks().take(pa.array(places))


def _order(files: Sequence[pq.ParquetFile], order: tuple[str, ...]) -> npt.NDArray[np.uint32]:
    """Return for each row of the result from which file it comes, next."""
    frames = [
        pl.DataFrame(pl.from_arrow(file.read(columns=list(order)))).with_columns(
            pl.lit(number, pl.UInt32).alias("file")
        )
        for number, file in enumerate(files)
    ]
    if not all(_is_sorted(frame, order) for frame in frames):
        return pl.concat(frames)["file"].to_numpy()  # somebody else's file: one after the other
    return pl.concat(frames).sort(order, maintain_order=True)["file"].to_numpy()


def _is_sorted(frame: pl.DataFrame, order: tuple[str, ...]) -> bool:
    keys = frame.select(order)
    return keys.equals(keys.sort(order))


def _rows_of_a_group(files: Sequence[pq.ParquetFile]) -> int:
    size = sum(
        file.metadata.row_group(i).total_byte_size for file in files for i in range(file.metadata.num_row_groups)
    )
    rows = sum(file.metadata.num_rows for file in files)
    return max(1, min(ROW_GROUP_ROWS, int(GROUP_BYTES * rows / max(size, 1))))
