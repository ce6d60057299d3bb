"""Replacing files of the table, fenced: the one way in which maintenance and erasure change what is there.

    listed on a handle -> files written -> one commit of removes and adds with txn("maintenance", n + 1) on that handle

Two compactions of delta-rs that begin at one version both land, and their rows are twice; so its own are never called.
Here the second finds that the txn has moved after its handle's version, and is refused.
"""

import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from headrace_consumers.dataset.delta.files import DataFile
from headrace_consumers.dataset.delta.opening import one_line, reopen
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.store_at import opened_at
from headrace_consumers.dataset.delta.table_log import LINES_KEY
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.upkeep.maintenance_plan import ActiveFile

__all__ = ["ROLE", "ReplacingHandle"]

ROLE: Final = "maintenance"
"""The app id of whoever removes files."""

_ATTEMPTS: Final = 3
_UNDERSTOOD: Final = (1, 2)
"""The protocol that Headrace writes. Others mark rows as deleted in ways that a merge would undo."""


class ReplacingHandle:
    """A handle on a table that exists, of which files are to be replaced; not thread-safe.

    Args:
        place: of the table: a local folder or a store.

    Attributes:
        is_in_doubt: whether the last one failed and has landed or may still land, so that its files must stay.

    Raises:
        TableError: the table cannot be read, or another writer has given it features that this release does not know.
    """

    def __init__(self, place: Path | Store) -> None:
        self.store = opened_at(place)
        self.path = self.store.place
        self.is_in_doubt = False
        self._table = reopen(self.store)
        self.refresh()

    @property
    def table(self) -> DeltaTable:
        """The handle itself, to read."""
        return self._table

    @property
    def others_commits(self) -> int:
        """How many versions of the table are not of a maintainer or an erasure, as of this handle."""
        return int(self._table.version()) - (self._table.transaction_version(ROLE) or 0)

    def refresh(self) -> None:
        """Bring the handle to the newest version: what was listed before is not to be replaced any more.

        Raises:
            TableError: see above.
        """
        try:
            self._table.update_incremental()
        except (DeltaError, OSError):
            self._table = reopen(self.store)
        protocol = self._table.protocol()
        if (protocol.min_reader_version, protocol.min_writer_version) != _UNDERSTOOD:
            raise TableError(
                f"{self.path}: another writer has changed the table's protocol (reader {protocol.min_reader_version}, "
                f"writer {protocol.min_writer_version}); no files are replaced, let that writer maintain it"
            )

    def keep_tombstones(self, hours: int) -> None:
        """Let checkpoints name removed files for so long, and not a week; if it is refused, it is tried next time."""
        wanted = {"delta.deletedFileRetentionDuration": f"interval {hours} hours"}
        if wanted.items() <= self._table.metadata().configuration.items():
            return
        before = self._table.version()
        try:
            self._table.alter.set_table_properties(
                wanted,
                raise_if_not_exists=False,
                commit_properties=CommitProperties(custom_metadata={LINES_KEY: "1"}),  # metaData
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
            )
        except (DeltaError, OSError):  # another has changed the properties meanwhile
            self._table = reopen(self.store)
        else:
            self.store.sync_log(before, self._table.version())

    def files(self) -> list[ActiveFile]:
        """Return the files that the table names at this handle's version."""
        actions = pa.table(self._table.get_add_actions(flatten=True)).select(
            ["path", "size_bytes", "num_records", f"partition.{PARTITION_COLUMN}", "modification_time"]
        )
        return [
            ActiveFile(path, size, rows, date, dt.datetime.fromtimestamp(written_ms / 1000, dt.UTC))
            for path, size, rows, date, written_ms in zip(*(column.to_pylist() for column in actions), strict=True)
        ]

    def replace(
        self,
        removed: Sequence[ActiveFile],
        added: Sequence[DataFile],
        *,
        now: dt.datetime,
        data_change: bool,
        info: Mapping[str, str],
        raising: Sequence[str] = (),
    ) -> int:
        """Remove files, and add others, in one commit; return the table's version. It is on disk then.

        Args:
            removed: of `files`, listed since the last `refresh`.
            added: published in the table's store.
            now: when they are said to be removed, UTC.
            data_change: False if rows are only moved.
            info: told in the commit's own record.
            raising: further app ids whose transactions are raised by one.

        Raises:
            Fenced: somebody else replaced files meanwhile. Nothing was committed; list anew.
            TableError: the table cannot be written, or not be read any more.
        """
        before = self._table.version()
        now_ms = int(now.timestamp() * 1000)
        # As old as their rows are in the table: by this maintenance knows a day that is written no more.
        rows_at_ms = max((int(f.written_at.timestamp() * 1000) for f in removed), default=now_ms)
        actions: list[AddAction | RemoveAction] = [
            RemoveAction(f.path, data_change, now_ms, f.size_bytes, {PARTITION_COLUMN: f.date.isoformat()})
            for f in removed
        ]
        actions += [
            AddAction(
                f.path, f.size_bytes, {PARTITION_COLUMN: f.partition_value}, rows_at_ms, data_change, f.statistics
            )
            for f in added
        ]
        term = self._table.transaction_version(ROLE)
        self.is_in_doubt = False
        for attempt in range(_ATTEMPTS):
            self.is_in_doubt = True
            try:
                self._write(actions, [ROLE, *raising], info)
                break
            except Exception as error:  # an exception is not "not committed": a hook may fail after the commit
                self._table = reopen(self.store)
                active = {file.path for file in self.files()}
                if added and all(file.path in active for file in added):
                    break
                self.is_in_doubt = self.store.is_remote  # there a lost request may land later
                if self._table.transaction_version(ROLE) != term or not all(f.path in active for f in removed):
                    raise Fenced(f"{self.path}: others replaced files meanwhile ({one_line(error)})") from error
                if attempt + 1 == _ATTEMPTS:
                    raise TableError(f"{self.path}: files cannot be replaced ({one_line(error)})") from error
        with contextlib.suppress(DeltaError, OSError):
            self._table.update_incremental()
        self.store.sync_log(before, self._table.version())
        self.is_in_doubt = False
        return int(self._table.version())

    def _write(
        self, actions: Sequence[AddAction | RemoveAction], raising: Sequence[str], info: Mapping[str, str]
    ) -> None:
        transactions = [Transaction(name, (self._table.transaction_version(name) or 0) + 1) for name in raising]
        self._table.create_write_transaction(
            list(actions),
            "append",
            self._table.schema(),
            [PARTITION_COLUMN],
            commit_properties=CommitProperties(
                custom_metadata={**info, LINES_KEY: str(len(actions) + len(transactions))},
                app_transactions=transactions,
            ),
            post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
        )
