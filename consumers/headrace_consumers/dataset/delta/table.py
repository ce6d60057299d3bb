"""The Delta table: the rows and, in the same commits, how far each Kafka partition has been read. It is the truth.

A commit carries ``txn(app_id = <topic id>/<partition>, version = next offset)`` for every partition of its batch.
delta-rs never compares that version, and refuses a commit only if another with the same app id came after the
*handle's* version; so on the very handle that commits, each partition's txn is first compared with the position that
the batch was read from.
"""

import datetime as dt
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, PostCommitHookProperties, Transaction
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from headrace_consumers.dataset.delta.files import DataFile
from headrace_consumers.dataset.delta.known_topics import KnownTopics
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.opening import one_line, open_or_create, reopen
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.rows import INTERACTIONS
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.store_at import opened_at
from headrace_consumers.dataset.delta.table_keys import KeyRows, all_key_rows, key_rows_from
from headrace_consumers.dataset.delta.table_log import LINES_KEY
from headrace_consumers.dataset.errors import Fenced, SuppressionChanged, TableError
from headrace_consumers.dataset.judging.suppression import Suppression

__all__ = ["InteractionTable", "Move", "app_id"]

_Told = TypeVar("_Told", KnownTopics, Suppression)
_NO_INFO: Final[Mapping[str, str]] = {}
LONGEST_COMMIT_S: Final = 3600.0
"""A file that no commit names may be deleted when it is older (`maintenance.keep_replaced_h`, at least twice this)."""

_SMOOTHING: Final = 0.2
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
        place: a local folder, or a store; the table is created there if it is missing.
        layout: what it looks like.
        sleep: waits for so many seconds before a commit is tried again.

    Attributes:
        path: where it is: a local folder, or the address in an object store.
        layout: see above.
        store: holds its files.
        is_in_doubt: whether the last commit failed and has landed or may still land, so that its files must stay.
        commit_s: what a commit takes lately, with what others' commits cost it; 0 before the first.

    Raises:
        TableError: the path is no table and cannot become one.
    """

    def __init__(
        self, place: Path | Store, layout: Layout = INTERACTIONS, *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self.store = opened_at(place)
        self.path = self.store.place
        self.layout = layout
        self._sleep = sleep
        self._table, self._share = open_or_create(self.store, layout)
        self._durable = -1  # entries up to this version are known to be durable
        self.commit_s = 0.0
        self.is_in_doubt = False

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

    def close(self) -> None:
        """Give up the share in the table; the handle is not to be used any more."""
        self._share.close()

    def position(self, app_id: str) -> int | None:
        """Return the next offset to read of a partition, or None when the table has none."""
        version = self._table.transaction_version(app_id)
        return None if version is None else int(version)

    def commit(
        self,
        files: Sequence[DataFile],
        moves: Sequence[Move],
        info: Mapping[str, str] = _NO_INFO,
        *,
        suppression: Suppression | None = None,
        attempts: int = len(_BACKOFF_S),
    ) -> int:
        """Add the files and move the partitions on, in one commit; return the table's version.

        On any exception the table is asked what happened: all partitions at their target, it landed; all at their
        start, it is tried again; anything else, somebody else moved one of them.

        Args:
            files: published in `store`.
            moves: how the batch moves each of its partitions on.
            info: told in the commit's own record, e.g. the batch's counts; any reader's ``history()`` shows it.
            suppression: by which the rows were judged; None: there are none, or nobody's.
            attempts: give up after so many.

        Raises:
            SuppressionChanged: by another one since. Nothing was committed.
            Fenced: another consumer has moved a partition on, or the files are too old. Nothing was committed.
            TableError: the store refused `attempts` times. Nothing was committed.
        """
        began = time.perf_counter()
        self.is_in_doubt = False
        self.refresh()
        for attempt in range(attempts):
            self._insist_on_start(moves)
            self._insist_on(suppression)
            self._insist_on_young(files, suppression)
            self.is_in_doubt = True
            try:
                self._write(files, moves, info)
            except Exception as error:  # an exception is not "not committed": a hook may fail after the commit
                self._reopen()
                if self._all_at(moves, target=True):
                    break
                self.is_in_doubt = self.store.is_remote  # there a lost request may land later
                if not self._all_at(moves, target=False):
                    raise Fenced(_fenced_line(moves, self)) from error
                if attempt + 1 == attempts:
                    raise TableError(
                        f"{self.path}: the commit failed {attempts} times ({one_line(error)}); nothing is lost: "
                        "mend the disk or its permissions and start again"
                    ) from error
                self._sleep(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)])
            else:
                self.refresh()
                break
        self._fsync_log()
        self.is_in_doubt = False
        took = time.perf_counter() - began
        self.commit_s += (took - self.commit_s) * (_SMOOTHING if self.commit_s else 1)
        return self.version

    def known_topics(self) -> KnownTopics:
        """Return what the table remembers, as of this handle.

        Raises:
            TableError: it cannot be read.
        """
        return self._told(KnownTopics.of)

    def suppression(self) -> Suppression:
        """Return whom the table no longer takes, as of this handle.

        Raises:
            TableError: it cannot be read.
        """
        return self._told(Suppression.of)

    def suppress(self, subjects: Collection[str], requests: Collection[str], since: str) -> Suppression:
        """Take nothing of these any more, from here on; return whom the table then no longer takes.

        Args:
            subjects: pseudonyms, as records hold them.
            requests: request ids.
            since: now, ISO 8601.

        Raises:
            TableError: the store refused.
        """

        def change(known: Suppression) -> Suppression:
            return known.with_(subjects, requests, since)

        return self._change(Suppression.of, change)

    def take_over(self, suppression: Suppression) -> Suppression:
        """Take nothing either of whom another table no longer takes; return whom this one then no longer takes.

        Raises:
            ValueError: this table has entries that were made with another key.
            TableError: the store refused.
        """

        def change(known: Suppression) -> Suppression:
            return known.together(suppression)

        return self._change(Suppression.of, change)

    def remember(self, change: Callable[[KnownTopics], KnownTopics]) -> KnownTopics:
        """Change what the table remembers; return what it then does.

        Args:
            change: what is to be remembered, given what is; asked anew where another member was faster.

        Raises:
            TableError: the store refused.
        """
        return self._change(KnownTopics.of, change)

    def _told(self, understand: Callable[[Mapping[str, str]], _Told]) -> _Told:
        try:
            return understand(self._table.metadata().configuration)
        except ValueError as error:
            raise TableError(f"{self.path}: the table's property {one_line(error)}") from None

    def _change(self, understand: Callable[[Mapping[str, str]], _Told], change: Callable[[_Told], _Told]) -> _Told:
        for pause_s in _BACKOFF_S:
            self.refresh()
            known = self._told(understand)
            wanted = change(known)
            if wanted == known:
                return known
            try:
                # A handle that somebody else's change of the properties has passed is refused by delta-rs.
                self._table.alter.set_table_properties(
                    wanted.as_properties(),
                    raise_if_not_exists=False,
                    commit_properties=CommitProperties(custom_metadata={LINES_KEY: "1"}),  # metaData
                    post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
                )
            except (DeltaError, OSError) as error:
                reason = one_line(error)
                self._sleep(pause_s)
                self._reopen()
            else:
                self._fsync_log()
                return wanted
        raise TableError(f"{self.path}: the table's properties cannot be written ({reason}); nothing is lost: mend it")

    def key_rows(self, topic_id: str | None = None, partition: int = 0, *, from_offset: int = 0) -> Iterator[KeyRows]:
        """Return the dedup keys in the table, in bounded batches.

        Args:
            topic_id: only rows of this topic id and `partition`, from `from_offset` on; None for all rows.
            partition: see there.
            from_offset: see there.

        Raises:
            Fenced: an erasure deletes old files at once, and this handle still names one; start anew.
            TableError: a file is missing.
        """
        try:
            if topic_id is None:
                yield from all_key_rows(self._table, self.store)
            else:
                yield from key_rows_from(self._table, self.store, topic_id, partition, from_offset)
        except FileNotFoundError as error:
            version = self.version
            self.refresh()
            if self.version == version:
                raise TableError(f"{error.filename or self.path}: a file of the table is not there") from error
            raise Fenced("a file was deleted while it was read: an erasure replaced it") from error

    def history(self, commits: int) -> list[dict[str, Any]]:
        """Return what the newest commits tell of themselves, the newest first, as of this handle."""
        return self._table.history(commits)

    def oldest_date(self) -> dt.date | None:
        """Return the ingest date of the oldest rows, as of this handle; None without rows."""
        dates = pa.table(self._table.get_add_actions(flatten=True))[f"partition.{PARTITION_COLUMN}"]
        oldest: dt.date | None = pc.min(dates).as_py()
        return oldest

    def _write(self, files: Sequence[DataFile], moves: Sequence[Move], info: Mapping[str, str]) -> None:
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
            commit_properties=CommitProperties(
                custom_metadata={**info, LINES_KEY: str(len(adds) + len(transactions))}, app_transactions=transactions
            ),
            # Old entries go only once the checkpoint that sums them up is on disk: see maintenance.
            post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
        )

    def _insist_on_start(self, moves: Sequence[Move]) -> None:
        if not self._all_at(moves, target=False):
            raise Fenced(_fenced_line(moves, self))

    def _insist_on(self, suppression: Suppression | None) -> None:
        if suppression is not None and suppression != self.suppression():
            raise SuppressionChanged("somebody was erased from the table since the batch was judged")

    def _insist_on_young(self, files: Sequence[DataFile], suppression: Suppression | None) -> None:
        oldest = time.time() - LONGEST_COMMIT_S
        for file in files:
            try:
                written_at = self.store.written_at(file.path)
            except OSError as error:
                raise TableError(f"{self.path}: cannot look at {file.path} ({one_line(error)})") from error
            if written_at is None or written_at < oldest:
                self.refresh()
                self._insist_on(suppression)  # an erasure deletes at once what it finds of the person
                raise Fenced(f"{file.path} was written over an hour ago; maintenance may delete it, so it is made anew")

    def _all_at(self, moves: Sequence[Move], *, target: bool) -> bool:
        return all(self.position(move.app_id) == (move.target if target else move.start) for move in moves)

    def _reopen(self) -> None:
        self._table = reopen(self.store)

    def _fsync_log(self) -> None:
        self.store.sync_log(self._durable, self.version)
        self._durable = self.version


def _fenced_line(moves: Sequence[Move], table: InteractionTable) -> str:
    found = {move.app_id: table.position(move.app_id) for move in moves}
    moved = [f"{m.app_id} at {found[m.app_id]}, read from {m.start}" for m in moves if found[m.app_id] != m.start]
    return f"another consumer moved on: {'; '.join(moved)}"
