"""Which keys the table holds: an index derived from it, never ahead of it, and rebuilt whenever it is in doubt.

A key's 64 hex digits are kept as their first 128 bits: with n keys, a new one is mistaken for a copy with probability
n / 2^128. Insertions and the watermark they cover (a partition's next offset) are one DuckDB transaction. No index:
DuckDB's primary keys cost a gigabyte at 10^7 keys, and a kill could leave a log that it can't replay.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb
import numpy as np
import pyarrow as pa
import structlog

from headrace_consumers.dataset.errors import StateError

__all__ = ["DuckDbSeenSet", "Origin", "SeenSet", "lock_member_folder"]

log = structlog.get_logger("headrace.dataset")

_KEY: Final = re.compile(rb"[0-9a-f]{64}")
_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Origin:
    """What a seen-set is derived from; one of anything else is emptied and rebuilt."""

    table_id: str
    topic_id: str
    partition_count: int


class SeenSet(Protocol):
    """The keys that the table holds of the partitions that a member owns, or has owned."""

    def watermark(self, partition: int) -> int | None:
        """Return the next offset that the partition's keys cover, or None when they must be rebuilt."""
        ...

    def is_new(self, keys: Sequence[bytes | None]) -> list[bool]:
        """Tell for each message key whether the table lacks it."""
        ...

    def add(self, keys: Mapping[int, Sequence[bytes]], watermarks: Mapping[int, int]) -> None:
        """Add keys that are in the table, by partition, and the next offsets that they cover, at once."""
        ...

    def forget(self, partition: int) -> None:
        """Drop a partition's keys and watermark, to rebuild them."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class DuckDbSeenSet:
    """A seen-set in one DuckDB file.

    Args:
        folder: a folder of this member's own, locked (`lock_member_folder`).
        origin: what the keys come from.

    Raises:
        StateError: the folder cannot be written.
    """

    def __init__(self, folder: Path, origin: Origin) -> None:
        self._path = folder / "seen.duckdb"
        self._connection = self._open()
        if self._execute("select table_id, topic_id, partition_count from origin") != [astuple(origin)]:
            for table in ("seen", "watermarks", "origin"):
                self._execute(f"delete from {table}")  # noqa: S608  # the names stand above
            self._execute("insert into origin values (?, ?, ?)", astuple(origin))

    def watermark(self, partition: int) -> int | None:
        """See `SeenSet.watermark`."""
        found = self._execute("select next_offset from watermarks where partition = ?", [partition])
        return int(found[0][0]) if found else None

    def is_new(self, keys: Sequence[bytes | None]) -> list[bool]:
        """See `SeenSet.is_new`. A key that is not 64 hex digits is in no table, and so is new."""
        at = [i for i, key in enumerate(keys) if key is not None and _KEY.fullmatch(key)]
        new = [True] * len(keys)
        if at:
            batch = _halves([keys[i] for i in at], positions=at)
            known = self._execute("select position from batch semi join seen using (high, low)", batch=batch)
            for (position,) in known:
                new[position] = False
        return new

    def add(self, keys: Mapping[int, Sequence[bytes]], watermarks: Mapping[int, int]) -> None:
        """See `SeenSet.add`."""
        with self._transaction():
            for partition, added in keys.items():
                self._execute("insert into seen select ?, high, low from batch", [partition], batch=_halves(added))
            for partition, next_offset in watermarks.items():
                self._execute("delete from watermarks where partition = ?", [partition])
                self._execute("insert into watermarks values (?, ?)", [partition, next_offset])

    def forget(self, partition: int) -> None:
        """See `SeenSet.forget`."""
        with self._transaction():
            self._execute("delete from watermarks where partition = ?", [partition])
            self._execute("delete from seen where partition = ?", [partition])

    def __len__(self) -> int:
        return int(self._execute("select count(*) from seen")[0][0])

    def close(self) -> None:
        """See `SeenSet.close`."""
        self._connection.close()

    def _execute(self, sql: str, parameters: Sequence[Any] = (), *, batch: pa.Table | None = None) -> list[Any]:
        try:  # fetchall: a result left open makes the next statement fail
            if batch is not None:
                self._connection.register("batch", batch)
            return self._connection.execute(sql, list(parameters)).fetchall()
        except duckdb.Error as error:
            line = " ".join(str(error).split())[:200]
            raise StateError(f"{self._path}: {line}; it is rebuilt from the table if you delete it") from error

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

    def _open(self) -> duckdb.DuckDBPyConnection:
        try:
            return _connect(self._path)
        except duckdb.Error as error:
            # Only an index: what cannot be read is set aside, and rebuilt from the table.
            log.warning("seen-set unreadable, rebuilding", path=str(self._path), error=type(error).__name__)
        try:
            for path in (self._path, self._path.with_name(self._path.name + ".wal")):
                if path.exists():
                    path.replace(path.with_name(path.name + ".damaged"))
            return _connect(self._path)
        except (duckdb.Error, OSError) as error:
            raise StateError(
                f"{self._path}: cannot keep the seen-set here ({error}); see dataset.state_path"
            ) from error


def lock_member_folder(state_path: Path) -> tuple[Path, Any]:
    """Return a folder below `state_path` that no other process uses, and the open file whose lock says so.

    The first free of member-0, member-1, ...: so a restarted member finds its seen-set again.

    Raises:
        StateError: the folder cannot be written.
    """
    try:
        for number in range(10_000):
            folder = state_path / f"member-{number}"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (folder / "lock").open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            return folder, lock
    except OSError as error:
        raise StateError(f"{state_path}: cannot keep state here ({error.strerror}); see dataset.state_path") from error
    raise StateError(f"{state_path}: 10,000 members hold a folder here; see dataset.state_path")


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), config={"threads": 1, "memory_limit": "512MB"})
    try:
        connection.execute("create table if not exists seen (partition integer, high ubigint, low ubigint)")
        connection.execute("create table if not exists watermarks (partition integer, next_offset bigint)")
        connection.execute(
            "create table if not exists origin (table_id varchar, topic_id varchar, partition_count integer)"
        )
        connection.execute("select count(*) from seen").fetchall()
    except duckdb.Error:
        connection.close()
        raise
    os.chmod(path, 0o600)  # noqa: PTH101
    return connection


def _halves(keys: Sequence[bytes | None], positions: Sequence[int] | None = None) -> pa.Table:
    """Return the first 128 bits of each key as two columns."""
    digits = b"".join(key[:_DIGITS] for key in keys if key is not None)
    words = np.frombuffer(bytes.fromhex(digits.decode("ascii")), ">u8").reshape(-1, 2).astype(np.uint64)
    columns = {"high": words[:, 0], "low": words[:, 1]}
    if positions is not None:
        columns["position"] = np.asarray(positions, np.uint64)
    return pa.table(columns)
