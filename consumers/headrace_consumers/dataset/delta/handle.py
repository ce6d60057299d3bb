"""One process's handle on a Delta table: opened or made, brought forward, and durable up to what it has seen."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.opening import one_line, open_or_create, reopen
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.store_at import opened_at
from headrace_consumers.dataset.errors import TableError

__all__ = ["TableHandle"]


class TableHandle:
    """A handle on a table, which is created where it is missing; not thread-safe.

    Args:
        place: a local folder, or a store.
        layout: what the table looks like.

    Attributes:
        path: where it is: a local folder, or the address in an object store.
        layout: see above.
        store: holds its files.

    Raises:
        TableError: the path is no table and cannot become one.
    """

    def __init__(self, place: Path | Store, layout: Layout) -> None:
        self.store = opened_at(place)
        self.path = self.store.place
        self.layout = layout
        self._table, self._share = open_or_create(self.store, layout)
        self._durable = -1  # entries up to this version are known to be durable

    @property
    def delta(self) -> DeltaTable:
        """delta-rs' own handle; another one after `reopen`."""
        return self._table

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
            self.reopen()  # e.g. the logs in between were cleaned up

    def reopen(self) -> None:
        """Open the newest version anew, as after an error that leaves this one in doubt.

        Raises:
            TableError: the log cannot be read.
        """
        self._table = reopen(self.store)

    def sync(self) -> None:
        """Return when all entries of the log that this handle shows are on disk for good.

        Raises:
            TableError: nobody knows whether they are.
        """
        try:
            self.store.sync_log(self._durable, self.version)
        except OSError as error:
            raise TableError(
                f"{self.path}: the log cannot be brought to disk ({one_line(error)}); nothing is lost: mend the disk"
            ) from error
        self._durable = self.version

    def close(self) -> None:
        """Give up the share in the table; the handle is not to be used any more."""
        self._share.close()

    def position(self, app_id: str) -> int | None:
        """Return the next offset to read of a partition, or None when the table has none."""
        version = self._table.transaction_version(app_id)
        return None if version is None else int(version)

    def history(self, commits: int) -> list[dict[str, Any]]:
        """Return what the newest commits tell of themselves, the newest first, as of this handle."""
        return self._table.history(commits)

    def oldest_date(self) -> dt.date | None:
        """Return the ingest date of the oldest rows, as of this handle; None without rows."""
        dates = pa.table(self._table.get_add_actions(flatten=True))[f"partition.{PARTITION_COLUMN}"]
        oldest: dt.date | None = pc.min(dates).as_py()
        return oldest
