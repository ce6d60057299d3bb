"""Erasing rows from one table: looked for, taken out in fenced commits, and the old files that held them deleted."""

import datetime as dt
from collections.abc import Callable

from deltalake.exceptions import DeltaError

from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.steps import Hook, no_hook
from headrace_consumers.erasure.certificate import TableReport
from headrace_consumers.erasure.choices import Choice
from headrace_consumers.erasure.purge import purge
from headrace_consumers.erasure.removal import removal_of
from headrace_consumers.erasure.table_files import Found, TableFiles
from headrace_consumers.erasure.taking_out import TakingOut

__all__ = ["TableErasure"]


class TableErasure:
    """One table from which rows go.

    Args:
        store: of a table.
        layout: what it looks like.
        now: UTC.
        sleep: waits for so many seconds.
        hook: called around the steps; tests kill the process there.

    Attributes:
        place: of the table.

    Raises:
        TableError: it cannot be read.
    """

    def __init__(
        self,
        store: Store,
        layout: Layout,
        *,
        now: Callable[[], dt.datetime],
        sleep: Callable[[float], object],
        hook: Hook = no_hook,
    ) -> None:
        self.place = store.place
        self._now = now
        self._sleep = sleep
        self._hook = hook
        self._files = TableFiles(store, layout)

    def look(self, choice: Choice) -> Found:
        """Return what goes, as of now; nothing is changed.

        Raises:
            TableError: a file cannot be read.
        """
        return self._files.look(choice)

    def run(self, choice: Choice, erasure_id: str) -> None:
        """Remove the rows; return when the newest version has none of them.

        Raises:
            TableError: a file cannot be read or written. What was removed stays removed; run it again.
        """
        TakingOut(self._files, choice, erasure_id, now=self._now, hook=self._hook).run()

    def report(self, holds: str, choice: Choice, erasure_id: str) -> TableReport:
        """Delete the old files that hold the rows; return what all runs of the erasure have removed.

        Args:
            holds: what the table holds.
            choice: which rows go; the newest version has none.
            erasure_id: of the erasure.

        Raises:
            TableError: a file cannot be deleted, or the log not be read.
        """
        deleted, unreadable = purge(self._files, choice, now=self._now, sleep=self._sleep, hook=self._hook)
        try:
            removed = removal_of(self._files.handle.table.history(), erasure_id)
        except (DeltaError, OSError) as error:
            raise TableError(f"{self.place}: cannot read the log ({one_line(error)})") from error
        return TableReport(
            path=str(self.place),
            holds=holds,
            rows=dict(sorted(removed.rows.items())),
            files=removed.files,
            versions=removed.versions,
            version=self._files.version,
            deleted=deleted,
            unreadable=[self._files.address(name) for name in unreadable],
            keeps_deleted=self._files.store.keeps_deleted(),
        )
