"""Several Parquet files of the table as one, in the same order of rows, with memory for one row group of it.

A file is a few sorted runs of row groups, most often one: a batch is written as it is read, and a merged file is
sorted as a whole. Each run is read once from its beginning to its end, side by side: only the columns of the order are
held for all rows.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from headrace_consumers.dataset.delta.files import ROW_GROUP_ROWS, Bounds, widened
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.store import Sink

__all__ = ["Merge"]

GROUP_BYTES: Final = 32_000_000
"""A row group has at most about this much, uncompressed; records of a megabyte make small ones."""

MOST_RUNS: Final = 32
"""Side by side: each takes a page of each column, 2 MB at records of 1 kB."""

_STEP_BYTES: Final = 8_000_000
"""A row group is gathered in steps of about this much, which take some times as much, and only while they last."""

_BUFFER_BYTES: Final = 65_536
_LEAST_FILES: Final = 2


class Merge:
    """Writes one file with the rows of others.

    Args:
        sources: Parquet files; columns that one lacks are null in its rows. Where they have many runs, only the first
            of them are taken: as many as have MOST_RUNS together, and two at least.
        schema: of the file that is written.
        target: an empty file.
        layout: the table's.
        is_kept: tells of a group's rows which are written; None: all.

    Attributes:
        taken: how many of the sources; known after the first step.
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
        self.taken = 0
        self.rows = 0
        self.bounds: Bounds = {}

    def steps(self) -> Iterator[None]:
        """Write, and yield after each row group.

        Raises:
            OSError, ArrowException: a file cannot be read or written; the target is not to be used.
        """
        with contextlib.ExitStack() as stack:
            files: list[pq.ParquetFile] = []
            runs: list[_Run] = []
            for path in self._sources:
                file = stack.enter_context(pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES))
                found = _runs_of(file, self._layout.order)
                if len(files) >= _LEAST_FILES and len(runs) + len(found) > MOST_RUNS:
                    break
                files.append(file)
                runs += found
            self.taken = len(files)
            group_rows, step_rows = _rows_within(files, GROUP_BYTES), _rows_within(files, _STEP_BYTES)
            ahead = max(1, step_rows // max(len(runs), 1))
            readers = [_Reader(run, self._schema, ahead) for run in runs]
            order = _order(runs, self._layout.order)
            yield
            writer = stack.enter_context(pq.ParquetWriter(self._target, self._schema, **self._layout.writer_options))
            for begin in range(0, len(order), group_rows):
                sources = order[begin : begin + group_rows]
                group = pa.concat_tables(
                    _gather(readers, sources[first : first + step_rows]) for first in range(0, len(sources), step_rows)
                )
                if self._is_kept is not None:
                    group = group.filter(self._is_kept(group))
                if not group.num_rows:
                    continue
                writer.write_table(group, row_group_size=group.num_rows)
                self.rows += group.num_rows
                self.bounds = widened(self.bounds, group, self._layout)
                del group  # or it would be held while the next one is gathered
                yield


@dataclass(frozen=True, slots=True)
class _Run:
    """All row groups of a file, or one of them.

    Attributes:
        file: theirs.
        groups: their numbers.
        keys: the columns of the order, of all of their rows.
        is_sorted: whether they are.
    """

    file: pq.ParquetFile
    groups: range
    keys: pl.DataFrame
    is_sorted: bool


class _Reader:
    """Gives a run's rows from its beginning to its end, so many at a time."""

    def __init__(self, run: _Run, schema: pa.Schema, ahead: int) -> None:
        self._schema = schema
        columns = [name for name in schema.names if name in run.file.schema_arrow.names]
        self._batches = run.file.iter_batches(ahead, row_groups=list(run.groups), columns=columns)
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


def _runs_of(file: pq.ParquetFile, order: tuple[str, ...]) -> list[_Run]:
    """Return the whole file as one run, or each row group as one; a row group in no order makes the file one too."""
    keys = pl.DataFrame(pl.from_arrow(file.read(columns=list(order))))
    groups = range(file.metadata.num_row_groups)
    whole = _Run(file, groups, keys, _is_sorted(keys, order))
    if whole.is_sorted or len(groups) > MOST_RUNS:
        return [whole]
    sizes = [file.metadata.row_group(group).num_rows for group in groups]
    begins = itertools.accumulate(sizes, initial=0)
    parts = [keys.slice(begin, size) for begin, size in zip(begins, sizes, strict=False)]
    if not all(_is_sorted(part, order) for part in parts):
        return [whole]
    return [_Run(file, groups[at : at + 1], part, is_sorted=True) for at, part in enumerate(parts)]


def _order(runs: Sequence[_Run], order: tuple[str, ...]) -> npt.NDArray[np.uint32]:
    """Return for each row of the result from which run it comes, next."""
    frames = [run.keys.with_columns(pl.lit(number, pl.UInt32).alias("run")) for number, run in enumerate(runs)]
    if not all(run.is_sorted for run in runs):
        return pl.concat(frames)["run"].to_numpy()  # somebody else's file: one after the other
    return pl.concat(frames).sort(order, maintain_order=True)["run"].to_numpy()


def _is_sorted(keys: pl.DataFrame, order: tuple[str, ...]) -> bool:
    return keys.equals(keys.sort(order))


def _rows_within(files: Sequence[pq.ParquetFile], size_bytes: int) -> int:
    size = sum(
        file.metadata.row_group(i).total_byte_size for file in files for i in range(file.metadata.num_row_groups)
    )
    rows = sum(file.metadata.num_rows for file in files)
    return max(1, min(ROW_GROUP_ROWS, int(size_bytes * rows / max(size, 1))))
