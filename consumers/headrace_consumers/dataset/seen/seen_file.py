"""One partition's fingerprints on disk: a DuckDB file that never leads the table, and may be lost.

Insertions and the watermark that they cover (the partition's next offset) are one transaction. No index: DuckDB's
primary keys cost a gigabyte at 10^7 keys, and a kill could leave a log that it can't replay. The file is read whole,
once, so whatever is damaged in it is found before it is relied on.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import structlog

from headrace_consumers.dataset.errors import StateError
from headrace_consumers.dataset.seen.fingerprints import Fingerprints

__all__ = ["Origin", "SeenFile", "connect"]

log = structlog.get_logger("headrace.dataset")

_LAYOUT: Final = 2
_UNREADABLE: Final = (duckdb.Error, pa.ArrowException, OSError)
"""What reading a damaged file raises; through Arrow it is not DuckDB's own error."""

_MAKE: Final = (
    # Random numbers are not worth an attempt to compress them: half the time to write and to read.
    "create table seen (day integer, fingerprint ubigint using compression uncompressed)",
    "create table origin (layout int, table_id text, topic_id text, partitions int, erasures int, next_offset bigint)",
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a seen-set is derived from; one of anything else is emptied and rebuilt."""

    table_id: str
    topic_id: str
    partition_count: int


def connect() -> duckdb.DuckDBPyConnection:
    """Return a connection that the files of all partitions share, and with it 64 MB of buffers."""
    return duckdb.connect(config={"threads": 1, "memory_limit": "64MB", "temp_directory": ""})


class SeenFile:
    """A partition's fingerprints with the days of their rows, and the next offset that they cover.

    Args:
        shared: `connect()`.
        path: made if it is missing; set aside and made anew if it cannot be read; emptied if it is of another origin.
        origin: what the fingerprints come from.

    Attributes:
        next_offset: the watermark; None: there is none, what is in the file is not whole.
        erasures: how many erasures of the table it reflects.

    Raises:
        StateError: the folder cannot be written.
    """

    def __init__(self, shared: duckdb.DuckDBPyConnection, path: Path, origin: Origin) -> None:
        self._shared = shared
        self.path = path
        self.next_offset: int | None = None
        self.erasures = 0
        self._origin = origin
        try:
            self._connection = self._attached()
        except duckdb.Error as error:
            self._start_anew(error)

    def __len__(self) -> int:
        return int(self._execute("select count(*) from seen")[0][0])

    @property
    def size_bytes(self) -> int:
        """What it takes on disk."""
        return sum(path.stat().st_size for path in self._paths() if path.exists())

    def read(self) -> Iterator[Fingerprints]:
        """Yield the fingerprints in batches of some 100,000 to a million.

        Raises:
            StateError: the file is damaged.
        """
        return self._fingerprints("select fingerprint from seen")

    def append(self, added: Sequence[tuple[int, Fingerprints]], next_offset: int | None) -> None:
        """Add fingerprints that are not in it, each with its row's day, and set the watermark, at once."""
        tables = [pa.table({"day": np.full(len(part), day, np.int32), "fingerprint": part}) for day, part in added]
        with self._transaction():
            if any(tables):
                self._execute("insert into seen select day, fingerprint from batch", batch=pa.concat_tables(tables))
            self._execute("update origin set next_offset = ?", [next_offset])
        self.next_offset = next_offset

    def read_before(self, day: int) -> Iterator[Fingerprints]:
        """Yield the fingerprints of rows before a day, in batches as `read` does.

        Raises:
            StateError: the file is damaged.
        """
        return self._fingerprints(f"select fingerprint from seen where day < {day:d}")  # noqa: S608

    def remove_before(self, day: int) -> None:
        """Take out the fingerprints of rows before a day."""
        self._execute("delete from seen where day < ?", [day])

    def empty(self, erasures: int) -> None:
        """Drop everything, to be rebuilt from a table that has seen so many erasures."""
        self.close()
        try:
            for path in self._paths():
                path.unlink(missing_ok=True)
            self._connection = self._attached()
            self._execute("update origin set erasures = ?", [erasures])
        except (duckdb.Error, OSError) as error:
            raise self._unusable(error) from error
        self.erasures = erasures

    def set_aside(self, error: Exception) -> None:
        """Keep a file that cannot be read under another name, and start anew: it is only an index."""
        self.close()
        self._start_anew(error)

    def close(self) -> None:
        """Release the file."""
        _detach(self._connection, self.path)

    def _start_anew(self, error: Exception) -> None:
        log.warning("seen-set unreadable, rebuilding", path=str(self.path), error=type(error).__name__)
        try:
            for path in self._paths():
                if path.exists():
                    path.replace(path.with_name(path.name + ".damaged"))
            self._connection = self._attached()
        except (duckdb.Error, OSError) as again:
            raise self._unusable(again) from again

    def _attached(self) -> duckdb.DuckDBPyConnection:
        connection = self._shared.cursor()
        try:
            quoted = str(self.path).replace("'", "''")
            connection.execute(f"attach '{quoted}' as \"{self.path.stem}\"")
            connection.execute(f'use "{self.path.stem}"')
            if not connection.execute("show tables").fetchall():
                for statement in _MAKE:
                    connection.execute(statement)
            found = connection.execute("select * from origin").fetchall()
            wanted = (_LAYOUT, *astuple(self._origin))
            if len(found) != 1 or found[0][:-2] != wanted:
                connection.execute("begin")
                connection.execute("delete from seen")
                connection.execute("delete from origin")
                connection.execute("insert into origin values (?, ?, ?, ?, 0, null)", wanted)
                connection.execute("commit")
                found = [(*wanted, 0, None)]
        except duckdb.Error:
            _detach(connection, self.path)
            raise
        os.chmod(self.path, 0o600)  # noqa: PTH101
        self.erasures, self.next_offset = found[0][-2:]
        return connection

    def _fingerprints(self, sql: str) -> Iterator[Fingerprints]:
        with self._explained():
            for batch in pa.RecordBatchReader.from_stream(self._connection.sql(sql)):
                yield np.asarray(batch["fingerprint"].to_numpy(), np.uint64)

    def _execute(self, sql: str, parameters: Sequence[Any] = (), *, batch: pa.Table | None = None) -> list[Any]:
        with self._explained():  # fetchall: a result left open makes the next statement fail
            if batch is not None:
                self._connection.register("batch", batch)
            return self._connection.execute(sql, list(parameters)).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._execute("begin")
        try:
            yield
            self._execute("commit")
        except BaseException:
            with contextlib.suppress(StateError):
                self._execute("rollback")
            raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except _UNREADABLE as error:
            line = " ".join(str(error).split())[:200]
            raise StateError(f"{self.path}: {line}; make room, or delete it: it is rebuilt from the table") from error

    def _unusable(self, error: Exception) -> StateError:
        return StateError(f"{self.path}: cannot keep the seen-set here ({error}); see dataset.state_path")

    def _paths(self) -> Sequence[Path]:
        return self.path, self.path.with_name(self.path.name + ".wal")


def _detach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    with contextlib.suppress(duckdb.Error):  # it may not be attached, or the connection be closed
        connection.execute("use memory")
        connection.execute(f'detach "{path.stem}"')
    connection.close()
