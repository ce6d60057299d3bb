"""A batch in chunks: while one is read and judged, another thread writes the rows of the one before.

    chunk: known keys dropped -> decode -> filter -> kept
                                                     kept of the chunk before -> rows, a row group of the open file

What comes out does not depend on where chunks end, but for the order of the file's rows: all copies of a key stand in
offset order, and a key that passed in one chunk is known in the next.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.rows import dated, to_rows
from headrace_consumers.dataset.judging.select import Selection, counted
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.records.decode import UNWRITABLE, Unreadable
from headrace_consumers.dataset.seen.fingerprint_table import FingerprintTable
from headrace_consumers.dataset.seen.fingerprints import Fingerprints, fingerprints_of_digits, to_digits
from headrace_consumers.dataset.tally import Tally

__all__ = ["CHUNK_BYTES", "CHUNK_RECORDS", "CopiesSink", "Judge", "Taken", "Taking", "chunk_records_of"]

CHUNK_RECORDS: Final = 10_000
CHUNK_BYTES: Final = 16_000_000
"""A chunk has at most so many messages and bytes, or one message."""

_GROUP_SHARE: Final = 2
_GROUP_BYTES: Final = CHUNK_BYTES // _GROUP_SHARE
"""Of a chunk; fewer rows wait for those of the next one: of a topic that is read again nearly all are copies."""

_CHUNKS: Final = 5
"""Of a full batch: what the last one's rows take is not shared with any other's reading."""

Judge: TypeAlias = Callable[[Messages, npt.NDArray[np.bool_]], Selection]
"""Given messages, and for each whether its key is known beside those of the table: what becomes of them."""

Append: TypeAlias = Callable[[pa.Table], None]
"""Called on another thread, once at a time."""


class CopiesSink(Protocol):
    """Takes the copies of keys that the table or the batch holds, each partition's in offset order."""

    def further(self, copies: Messages) -> Messages:
        """Return those that it has not; called on the thread of the rest."""
        ...

    def append(self, further: Messages) -> None:
        """Take in what `further` returned; called on another thread, once at a time."""
        ...


@dataclass(slots=True)
class Taken:
    """What a batch comes to; its rows are staged.

    Attributes:
        unreadable: the dead letters.
        tally: the counts; they balance.
        fingerprints: of the rows, by partition and by ingest date, days since 1970.
    """

    unreadable: list[tuple[Message, Unreadable]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    fingerprints: Mapping[int, Mapping[int, Fingerprints]] = field(default_factory=dict)


def chunk_records_of(max_batch_records: int) -> int:
    """Return how many messages to read at once where a batch has so many at most."""
    return max(1, min(CHUNK_RECORDS, max_batch_records // _CHUNKS))


class Taking:
    """Takes a batch as it comes; to be left as a context, then no thread is left.

    Args:
        judge: see there.
        append: takes rows, in the order of the layout.
        source: the topic.
        copies: takes the copies; None: they are only counted.
        chunk_records: read at once.
    """

    def __init__(
        self,
        judge: Judge,
        append: Append,
        source: Source,
        *,
        copies: CopiesSink | None = None,
        chunk_records: int = CHUNK_RECORDS,
    ) -> None:
        self._judge = judge
        self._chunk_records = chunk_records
        self._taken = Taken()
        self._copies = copies
        self._passed = FingerprintTable()
        self._groups = _RowGroups(append, copies, source, chunk_records // _GROUP_SHARE)

    def add(self, messages: Messages) -> None:
        """Judge messages, and begin to stage their rows.

        Args:
            messages: each partition's in offset order, behind those that were added before.

        Raises:
            TableError: what `append` raised.
        """
        for first, last in _chunks(messages.sizes_bytes, self._chunk_records):
            self._add(messages if last - first == len(messages) else messages.part(first, last))

    def finish(self) -> Taken:
        """Return what the batch comes to, when all rows are staged.

        Raises:
            TableError: what `append` raised.
        """
        self._taken.fingerprints = self._groups.finish()
        return self._taken

    def _add(self, chunk: Messages) -> None:
        fingerprints = chunk.fingerprints
        selection = self._judge(chunk, self._passed.contains(fingerprints) & (fingerprints != 0))
        self._passed.add(selection.fingerprints)
        selection.kept, culprits = dated(selection.kept)
        if culprits:
            _to_dead_letters(selection, culprits, chunk)
        self._taken.unreadable += selection.unreadable
        self._taken.tally.add(selection.tally)
        copies = None if self._copies is None else self._copies.further(chunk.chosen(selection.duplicates))
        self._groups.add(selection.kept, copies)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._groups.close()
        self._passed.close()


class _RowGroups:
    """Gathers records to row groups, and has each written on a thread of its own while the next is gathered."""

    def __init__(self, append: Append, copies: CopiesSink | None, source: Source, records: int) -> None:
        self._append = append
        self._copies = copies
        self._records = records
        self._source = source
        self._pool = ThreadPoolExecutor(1, "headrace-rows")
        self._under_way: Future[None] | None = None
        self._waiting: list[pl.DataFrame] = []
        self._waiting_copies: list[Messages] = []
        self._keys = _Keys()

    def add(self, kept: pl.DataFrame, copies: Messages | None) -> None:
        """Take in records, KEPT_SCHEMA, and copies; what went wrong with those before is raised here."""
        if len(kept):
            self._waiting.append(kept)
        if copies is not None and len(copies):
            self._waiting_copies.append(copies)
        records = max(sum(map(len, self._waiting)), sum(map(len, self._waiting_copies)))
        if records >= self._records or sum(frame.estimated_size() for frame in self._waiting) >= _GROUP_BYTES:
            self._begin()

    def finish(self) -> dict[int, dict[int, Fingerprints]]:
        """Return when all is written: the fingerprints by partition and ingest date."""
        self._begin()
        self._wait()
        return self._keys.grouped()

    def _begin(self) -> None:
        self._wait()  # at most one is under way and one is gathered, however slow the disk
        if self._waiting or self._waiting_copies:
            self._under_way = self._pool.submit(self._write, self._waiting, self._waiting_copies)
            self._waiting, self._waiting_copies = [], []

    def _wait(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def _write(self, kept: Sequence[pl.DataFrame], copies: Sequence[Messages]) -> None:
        if kept:
            rows = to_rows(pl.concat(kept), self._source.topic, self._source.topic_id)
            self._append(rows)
            self._keys.add(rows)
        if copies and self._copies is not None:
            self._copies.append(Messages.together(copies))

    def close(self) -> None:
        """Leave no thread; what is not begun is not written."""
        self._pool.shutdown(cancel_futures=True)


class _Keys:
    """The fingerprints of rows, and where and when these were read."""

    def __init__(self) -> None:
        self._fingerprints: list[Fingerprints] = []
        self._partitions: list[npt.NDArray[np.int32]] = []
        self._days: list[npt.NDArray[np.int32]] = []

    def add(self, rows: pa.Table) -> None:
        """Take in rows of ROW_SCHEMA."""
        self._fingerprints.append(fingerprints_of_digits(to_digits(rows["dedup_key"].combine_chunks())))
        self._partitions.append(rows["partition"].to_numpy())
        self._days.append(rows[PARTITION_COLUMN].cast(pa.int32()).to_numpy())

    def grouped(self) -> dict[int, dict[int, Fingerprints]]:
        """Return the fingerprints by partition and by ingest date, days since 1970."""
        grouped: dict[int, dict[int, Fingerprints]] = {}
        if not self._fingerprints:
            return grouped
        fingerprints = np.concatenate(self._fingerprints)
        partitions, days = np.concatenate(self._partitions), np.concatenate(self._days)
        for partition in np.unique(partitions).tolist():
            of_partition = partitions == partition
            for day in np.unique(days[of_partition]).tolist():
                grouped.setdefault(partition, {})[day] = fingerprints[of_partition & (days == day)]
        return grouped


def _chunks(sizes_bytes: npt.NDArray[np.int64], most_records: int) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of stretches that are bounded by number, all of about one length, and by bytes."""
    ends = np.cumsum(sizes_bytes)
    even = math.ceil(len(ends) / math.ceil(len(ends) / most_records)) if len(ends) else 0
    first = 0
    while first < len(ends):
        before = int(ends[first - 1]) if first else 0
        fits = int(np.searchsorted(ends, before + CHUNK_BYTES, "right"))
        last = max(first + 1, min(first + even, fits))
        yield first, last
        first = last


def _to_dead_letters(selection: Selection, culprits: Sequence[tuple[int, int]], messages: Sequence[Message]) -> None:
    """Count records from which no row can be built as dead letters, which are rows no more."""
    gone = set(culprits)
    selection.unreadable.extend(
        (message, UNWRITABLE) for message in messages if (message.partition, message.offset) in gone
    )
    selection.tally.kept -= len(culprits)
    selection.tally.rows = counted(selection.kept["signature"])
    selection.tally.dead_letters[UNWRITABLE.reason] += len(culprits)
