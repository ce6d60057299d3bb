"""Parquet files of a batch: written while the batch is still read, on disk for good before the table names them."""

import contextlib
import json
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.errors import TableError

__all__ = ["ROW_GROUP_ROWS", "Bounds", "DataFile", "StagedFiles", "new_name", "statistics", "widened", "write_files"]

ROW_GROUP_ROWS: Final = 20_000

_BATCH_PAGES: Final[Mapping[str, Any]] = {"data_page_size": 131_072, "write_batch_size": 256}
"""Pages of a batch's file are small, at the price of 8% of its size: a merge holds a page of each column of each of its
row groups. The file that it writes has large ones."""

Bounds: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Column -> its ``min`` and ``max``."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A written file.

    Attributes:
        path: relative to the table.
        size_bytes: exact; Delta readers rely on it.
        partition_value: the ingest date, ISO 8601.
        statistics: Delta's statistics as JSON.
    """

    path: str
    size_bytes: int
    partition_value: str
    statistics: str


class StagedFiles:
    """The files of one batch, one for each ingest date, nobody's until they are published and committed.

    To be left as a context: what was not published by then is removed. `append` may be called on another thread than
    the rest, never while another call is under way.

    Args:
        store: takes them.
        layout: the table's.
    """

    def __init__(self, store: Store, layout: Layout) -> None:
        self._store = store
        self._layout = layout
        self._files: dict[str, _StagedFile] = {}

    def append(self, rows: pa.Table) -> None:
        """Write rows behind those that are there, as row groups of their own.

        Args:
            rows: in the order of the layout.

        Raises:
            TableError: the disk refused.
        """
        with _told(self._store):
            dates = pc.unique(rows[PARTITION_COLUMN]).to_pylist()
            for date in dates:
                # Nearly always it is one date, and a filter would copy all rows.
                of_date = rows if len(dates) == 1 else rows.filter(pc.equal(rows[PARTITION_COLUMN], pa.scalar(date)))
                chosen = of_date.drop_columns([PARTITION_COLUMN])
                value = date.isoformat()
                if value not in self._files:
                    self._files[value] = _StagedFile(self._store, self._layout, value)
                self._files[value].append(chosen)

    def publish(self) -> list[DataFile]:
        """Return the files when disk has them; whoever called this removes them if they are not committed.

        Raises:
            TableError: the disk refused; nothing that was written is part of the table.
        """
        with _told(self._store):
            published = [file.publish() for file in self._files.values()]
        self._files = {}
        return published

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.discard()


class _StagedFile:
    """One file, open from its first rows on."""

    def __init__(self, store: Store, layout: Layout, date: str) -> None:
        self._store = store
        self._layout = layout
        self._date = date
        self._name = new_name(date)
        self._rows = 0
        self._bounds: Bounds = {}
        self._own_sink: pa.NativeFile | None = None
        self._writer: pq.ParquetWriter | None = None

    def append(self, rows: pa.Table) -> None:
        if self._writer is None:
            sink = self._store.stage(self._name)
            if isinstance(sink, Path):
                sink = self._own_sink = pa.OSFile(str(sink), "wb")
            self._writer = pq.ParquetWriter(sink, rows.schema, **self._layout.writer_options, **_BATCH_PAGES)
        self._writer.write_table(rows, ROW_GROUP_ROWS)
        self._rows += rows.num_rows
        self._bounds = widened(self._bounds, rows, self._layout)

    def publish(self) -> DataFile:
        if self._writer is not None:
            self._writer.close()
        if self._own_sink is not None:
            self._own_sink.close()
        return DataFile(self._name, self._store.publish(self._name), self._date, statistics(self._rows, self._bounds))

    def discard(self) -> None:
        # First the sink: closing the writer would write to it once more, on a disk that may be full.
        if self._own_sink is not None:
            with contextlib.suppress(OSError):
                self._own_sink.close()
        self._store.discard(self._name)
        if self._writer is not None:
            with contextlib.suppress(OSError, ValueError):  # ValueError: the sink is closed
                self._writer.close()


def write_files(store: Store, rows: pa.Table, layout: Layout) -> list[DataFile]:
    """Write one file for each ingest date, and return when disk has them.

    Args:
        store: takes them.
        rows: in the order of the layout.
        layout: the table's.

    Raises:
        TableError: the disk refused; nothing that was written is part of the table.
    """
    with StagedFiles(store, layout) as staged:
        staged.append(rows)
        return staged.publish()


def new_name(date: str) -> str:
    """Return a name that no other file has, for rows of an ingest date (ISO 8601)."""
    return f"{PARTITION_COLUMN}={date}/{uuid.uuid4().hex}.parquet"


def widened(bounds: Bounds, rows: pa.Table, layout: Layout) -> Bounds:
    """Return the bounds of the layout's `bounded` columns, widened by some rows, at least one."""
    wider = {}
    for column in layout.bounded:
        bound = pc.min_max(rows[column]).as_py()
        known = bounds.get(column, bound)
        wider[column] = {"min": min(bound["min"], known["min"]), "max": max(bound["max"], known["max"])}
    return wider


def statistics(rows: int, bounds: Bounds) -> str:
    """Return Delta's statistics of a file as JSON.

    Args:
        rows: how many it holds.
        bounds: of columns without nulls.
    """
    return json.dumps(
        {
            "numRecords": rows,
            "minValues": {name: bound["min"] for name, bound in bounds.items()},
            "maxValues": {name: bound["max"] for name, bound in bounds.items()},
            "nullCount": dict.fromkeys(bounds, 0),
        }
    )


@contextlib.contextmanager
def _told(store: Store) -> Iterator[None]:
    """Turn what a store refuses into one line."""
    try:
        yield
    except OSError as error:
        # A store that refuses gives no number of the system's: that is the file's before it goes there.
        is_local = store.is_remote and error.errno is not None
        place = f"{tempfile.gettempdir()} (the folder for temporary files, TMPDIR)" if is_local else store.place
        raise TableError(
            f"{place}: cannot write ({error.strerror or error}); nothing is lost: mend it and start again"
        ) from error
