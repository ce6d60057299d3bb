"""The Delta table: the rows and, in the same commits, how far each Kafka partition has been read. It is the truth.

A commit carries ``txn(app_id = <topic id>/<partition>, version = next offset)`` for every partition of its batch.
delta-rs never compares that version, and refuses a commit only if another with the same app id came after the
*handle's* version; so on the very handle that commits, each partition's txn is first compared with the position that
the batch was read from.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from deltalake import CommitProperties, PostCommitHookProperties, Transaction
from deltalake.transaction import AddAction, RemoveAction

from headrace_consumers.dataset.delta.files import DataFile
from headrace_consumers.dataset.delta.handle import TableHandle
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.moves import Move, are_at_start, are_at_target, fenced_line
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.properties import TableProperties
from headrace_consumers.dataset.delta.rows import INTERACTIONS
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.table_keys import KeyRows, all_key_rows, key_rows_from
from headrace_consumers.dataset.delta.table_log import LINES_KEY
from headrace_consumers.dataset.errors import Fenced, SuppressionChanged, TableError
from headrace_consumers.dataset.judging.suppression import Suppression

__all__ = ["InteractionTable"]

_NO_INFO: Final[Mapping[str, str]] = {}
LONGEST_COMMIT_S: Final = 3600.0
"""A file that no commit names may be deleted when it is older (`maintenance.keep_replaced_h`, at least twice this)."""

_SMOOTHING: Final = 0.2
_BACKOFF_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)


class InteractionTable(TableHandle):
    """One process's handle on the table, which commits; not thread-safe.

    Args:
        place: a local folder, or a store; the table is created there if it is missing.
        layout: what it looks like.
        sleep: waits for so many seconds before a commit is tried again.

    Attributes:
        properties: what the table remembers beside its rows.
        is_in_doubt: whether the last commit failed and has landed or may still land, so that its files must stay.
        commit_s: what a commit takes lately, with what others' commits cost it; 0 before the first.

    Raises:
        TableError: the path is no table and cannot become one.
    """

    def __init__(
        self, place: Path | Store, layout: Layout = INTERACTIONS, *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        super().__init__(place, layout)
        self._sleep = sleep
        self.properties = TableProperties(self, sleep)
        self.commit_s = 0.0
        self.is_in_doubt = False

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
            TableError: the store refused `attempts` times: nothing was committed. Or it has landed, and nobody knows
                whether it is on disk: `is_in_doubt`.
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
                self.reopen()
                if are_at_target(moves, self.position):
                    break
                self.is_in_doubt = self.store.is_remote  # there a lost request may land later
                if not are_at_start(moves, self.position):
                    raise Fenced(fenced_line(moves, self.position)) from error
                if attempt + 1 == attempts:
                    raise TableError(
                        f"{self.path}: the commit failed {attempts} times ({one_line(error)}); nothing is lost: "
                        "mend the disk or its permissions and start again"
                    ) from error
                self._sleep(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)])
            else:
                self.refresh()
                break
        self.sync()
        self.is_in_doubt = False
        took = time.perf_counter() - began
        self.commit_s += (took - self.commit_s) * (_SMOOTHING if self.commit_s else 1)
        return self.version

    def insist_on_start(self, moves: Sequence[Move]) -> None:
        """Check that each partition still stands where the batch was read from.

        Raises:
            Fenced: another consumer has moved a partition on.
            TableError: the table cannot be read.
        """
        self.refresh()
        self._insist_on_start(moves)

    def suppression(self) -> Suppression:
        """Return whom the table no longer takes, as of this handle.

        Raises:
            TableError: it cannot be read.
        """
        return self.properties.suppression()

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
        if not are_at_start(moves, self.position):
            raise Fenced(fenced_line(moves, self.position))

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
