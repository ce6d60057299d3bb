"""The Delta table: the rows and, in the same commits, how far each Kafka partition has been read. It is the truth.

A commit carries ``txn(app_id = <topic id>/<partition>, version = next offset)`` for every partition of its batch.
delta-rs never compares that version, and refuses a commit only if another with the same app id came after the
*handle's* version; so on the very handle that commits, each partition's txn is first compared with the position that
the batch was read from.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.files import DataFile, fsync_file, fsync_folder
from headrace_consumers.dataset.rows import PARTITION_COLUMN, ROW_SCHEMA

__all__ = ["InteractionTable", "Move", "app_id"]

CHECKPOINT_INTERVAL: Final = 100
SCAN_ROWS: Final = 200_000
_BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)


def app_id(topic_id: str, partition: int) -> str:
    """Return the transaction id of a partition. No consumer group in it: one table is one logical consumer."""
    return f"{topic_id}/{partition}"


@dataclass(frozen=True, slots=True)
class Move:
    """How a batch moves a partition on.

    Attributes:
        app_id: ``<topic id>/<partition>``.
        start: the txn that the batch was read from; None when the table had none.
        target: the next offset to read.
    """

    app_id: str
    start: int | None
    target: int


class InteractionTable:
    """One process's handle on the table; not thread-safe.

    Args:
        path: a local folder; the table is created there if it is missing.
        sleep: waits for so many seconds before a commit is tried again.

    Raises:
        TableError: the path is no table and cannot become one.
    """

    def __init__(self, path: Path, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.path = path
        self._sleep = sleep
        self._table = _open_or_create(path)

    @property
    def id(self) -> str:
        """The table's unique id."""
        return str(self._table.metadata().id)

    @property
    def version(self) -> int:
        """The version that this handle shows."""
        return int(self._table.version())

    def refresh(self) -> None:
        """Bring the handle to the newest version.

        Raises:
            TableError: the log cannot be read.
        """
        try:
            self._table.update_incremental()
        except (DeltaError, OSError):
            self._reopen()  # e.g. the logs in between were cleaned up

    def position(self, app_id: str) -> int | None:
        """Return the next offset to read of a partition, or None when the table has none."""
        version = self._table.transaction_version(app_id)
        return None if version is None else int(version)

    def commit(self, files: Sequence[DataFile], moves: Sequence[Move], *, attempts: int = len(_BACKOFF_S)) -> int:
        """Add the files and move the partitions on, in one commit; return the table's version.

        On any exception the table is asked what happened: all partitions at their target, it landed; all at their
        start, it is tried again; anything else, somebody else moved one of them.

        Raises:
            Fenced: another consumer has moved a partition on. Nothing was committed.
            TableError: the store refused `attempts` times. Nothing was committed.
        """
        self.refresh()
        before = self.version
        for attempt in range(attempts):
            self._insist_on_start(moves)
            try:
                self._write(files, moves)
            except Exception as error:  # an exception is not "not committed": a hook may fail after the commit
                self._reopen()
                if self._all_at(moves, target=True):
                    break
                if not self._all_at(moves, target=False):
                    raise Fenced(_fenced_line(moves, self)) from error
                if attempt + 1 == attempts:
                    raise TableError(
                        f"{self.path}: the commit failed {attempts} times ({_one_line(error)}); nothing is lost: "
                        "mend the disk or its permissions and start again"
                    ) from error
                self._sleep(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)])
            else:
                self.refresh()
                break
        self._fsync_log(before)
        return self.version

    def key_batches(
        self, topic_id: str | None = None, partition: int = 0, *, from_offset: int = 0
    ) -> Iterator[pa.Array]:
        """Yield the dedup keys in the table, in bounded batches.

        Args:
            topic_id: only rows of this topic id and `partition`, from `from_offset` on; None for all rows.
            partition: see there.
            from_offset: see there.
        """
        if topic_id is None:
            paths, columns, wanted = self._all_files(), ["dedup_key"], None
        else:
            paths = self._files(topic_id, partition, from_offset)
            columns = ["dedup_key", "topic_id", "partition", "offset"]
            wanted = (
                (pc.field("topic_id") == topic_id)
                & (pc.field("partition") == partition)
                & (pc.field("offset") >= from_offset)
            )
        for path in paths:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(SCAN_ROWS, columns=columns):
                    rows = pa.Table.from_batches([batch])
                    rows = rows if wanted is None else rows.filter(wanted)
                    if rows.num_rows:
                        yield rows["dedup_key"].combine_chunks()

    def _write(self, files: Sequence[DataFile], moves: Sequence[Move]) -> None:
        now_ms = time.time_ns() // 1_000_000
        adds: list[AddAction | RemoveAction] = [
            AddAction(
                file.path,
                file.size_bytes,
                {PARTITION_COLUMN: file.partition_value},
                now_ms,
                data_change=True,
                stats=file.statistics,
            )
            for file in files
        ]
        transactions = [Transaction(move.app_id, move.target) for move in moves]
        self._table.create_write_transaction(
            adds,
            "append",
            self._table.schema(),
            [PARTITION_COLUMN],
            commit_properties=CommitProperties(app_transactions=transactions),
        )

    def _insist_on_start(self, moves: Sequence[Move]) -> None:
        if not self._all_at(moves, target=False):
            raise Fenced(_fenced_line(moves, self))

    def _all_at(self, moves: Sequence[Move], *, target: bool) -> bool:
        return all(self.position(move.app_id) == (move.target if target else move.start) for move in moves)

    def _reopen(self) -> None:
        try:
            self._table = DeltaTable(str(self.path))
        except (DeltaError, OSError) as error:
            raise TableError(f"{self.path}: cannot read the table ({_one_line(error)})") from error

    def _fsync_log(self, before: int) -> None:
        log = self.path / "_delta_log"
        for version in range(before + 1, self.version + 1):
            entry = log / f"{version:020}.json"
            if entry.exists():  # others' entries may be cleaned up by now
                fsync_file(entry)
        fsync_folder(log)

    def _all_files(self) -> list[Path]:
        return [self.path / str(path) for path in pa.table(self._table.get_add_actions())["path"].to_pylist()]

    def _files(self, topic_id: str, partition: int, from_offset: int) -> list[Path]:
        actions = pa.table(self._table.get_add_actions(flatten=True)).to_pylist()
        return [
            self.path / action["path"]
            for action in actions
            if _may_hold(action, "topic_id", topic_id, topic_id)
            and _may_hold(action, "partition", partition, partition)
            and _may_hold(action, "offset", from_offset, None)
        ]


def _may_hold(action: Mapping[str, object], column: str, low: object, high: object) -> bool:
    smallest, largest = action.get(f"min.{column}"), action.get(f"max.{column}")
    if smallest is None or largest is None:
        return True  # no statistics: look inside
    return largest >= low and (high is None or smallest <= high)  # type: ignore[operator]


def _open_or_create(path: Path) -> DeltaTable:
    if "://" in str(path):
        raise TableError(f"dataset.path: {path} is no local folder; this release writes to local disks only")
    try:
        return _insist_on_columns(DeltaTable(str(path)), path)
    except TableNotFoundError:
        pass
    except (DeltaError, OSError) as error:
        raise TableError(f"{path}: cannot open the table ({_one_line(error)})") from error
    try:
        path.mkdir(parents=True, exist_ok=True)
        table = DeltaTable.create(
            str(path),
            ROW_SCHEMA,
            mode="ignore",
            partition_by=[PARTITION_COLUMN],
            name="headrace interactions",
            configuration={"delta.checkpointInterval": str(CHECKPOINT_INTERVAL)},
        )
        fsync_file(path / "_delta_log" / f"{0:020}.json")
        for folder in (path / "_delta_log", path, path.parent):
            fsync_folder(folder)
    except (DeltaError, OSError) as error:
        try:
            return DeltaTable(str(path))  # another member was first
        except (DeltaError, OSError):
            raise TableError(f"{path}: cannot create the table ({_one_line(error)})") from error
    return table


def _insist_on_columns(table: DeltaTable, path: Path) -> DeltaTable:
    missing = _missing(table)
    if missing and all(ROW_SCHEMA.field(name).nullable for name in missing):
        # A table of an older release: its rows have no value there. Where another member was first, that is as good.
        added = Schema.from_arrow(pa.schema([ROW_SCHEMA.field(name) for name in missing])).fields
        with contextlib.suppress(DeltaError, OSError):
            table.alter.add_columns(added)
        table = DeltaTable(str(path))
        missing = _missing(table)
    if missing:
        raise TableError(
            f"{path}: this Delta table is not a Headrace dataset (it lacks {', '.join(sorted(missing)[:3])}, ...); "
            "give another dataset.path"
        )
    return table


def _missing(table: DeltaTable) -> list[str]:
    present = {field.name for field in table.schema().fields}
    return [name for name in ROW_SCHEMA.names if name not in present]


def _fenced_line(moves: Sequence[Move], table: InteractionTable) -> str:
    found = {move.app_id: table.position(move.app_id) for move in moves}
    moved = [f"{m.app_id} at {found[m.app_id]}, read from {m.start}" for m in moves if found[m.app_id] != m.start]
    return f"another consumer moved on: {'; '.join(moved)}"


def _one_line(error: BaseException) -> str:
    return json.dumps(" ".join(str(error).split())[:200])[1:-1] or type(error).__name__
