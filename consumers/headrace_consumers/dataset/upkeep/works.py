"""What maintenance does to a table, each a generator that yields between its steps and may be closed at any of them.

What is done in files before a commit counts for nothing, and is deleted as any file that no commit names.
"""

import datetime as dt
import math
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import pyarrow as pa
import structlog

from headrace_consumers.dataset.delta.files import DataFile, new_name, statistics
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.table_log import log_names
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.steps import Hook, MaintenanceStep
from headrace_consumers.dataset.upkeep.cleanup import old_log_entries, unnamed_files
from headrace_consumers.dataset.upkeep.culprits import culprits, is_of_one_file
from headrace_consumers.dataset.upkeep.maintenance_plan import ActiveFile
from headrace_consumers.dataset.upkeep.merge import Merge
from headrace_consumers.dataset.upkeep.replacing import ReplacingHandle

__all__ = ["Done", "Work", "Works"]

log = structlog.get_logger("headrace.dataset")

Work: TypeAlias = Generator[None, None, None]

_COMPACTION: Final = {"headrace.maintenance": "compaction"}
_RETENTION: Final = {"headrace.maintenance": "retention"}
_DELETED_AT_ONCE: Final = 200
_TOMBSTONES_LONGER_H: Final = 24
"""Than the files that they name: the system's clock, by which delta-rs leaves them out, may jump."""

_UNCHECKPOINTED: Final = 200
"""Each 100th commit makes a checkpoint; so many entries without one mean that it failed."""


@dataclass(slots=True)
class Done:
    """What was done.

    Attributes:
        files_merged: files that became fewer ...
        files_written: ... these.
        files_expired: files removed with all their rows ...
        rows_expired: ... which were past the retention.
        files_deleted: files deleted from the store, replaced or never committed.
        log_entries_deleted: old entries and checkpoints of the log.
        active_files: in the table, when last looked at.
    """

    files_merged: int = 0
    files_written: int = 0
    files_expired: int = 0
    rows_expired: int = 0
    files_deleted: int = 0
    log_entries_deleted: int = 0
    active_files: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


class Works:
    """The works on one table.

    Args:
        store: holds its files.
        layout: what it looks like.
        keep_replaced_h: how long files stay that no version needs, hours.
        now: UTC.
        hook: called around the steps.

    Attributes:
        done: what was, so far.
        unmergeable: paths of files that could not be read.
    """

    def __init__(
        self, store: Store, layout: Layout, *, keep_replaced_h: float, now: Callable[[], dt.datetime], hook: Hook
    ) -> None:
        self._store = store
        self._layout = layout
        self._keep_replaced_h = keep_replaced_h
        self._now = now
        self._hook = hook
        self.unmergeable: set[str] = set()
        self.done = Done()

    def expire(self, handle: ReplacingHandle, old: Sequence[ActiveFile]) -> Work:
        """Remove files, all of whose rows are past the retention."""
        self._hook(f"before:{MaintenanceStep.REPLACE}")
        handle.replace(old, [], now=self._now(), data_change=True, info=_RETENTION)
        self._hook(f"after:{MaintenanceStep.REPLACE}")
        self.done.files_expired += len(old)
        rows = sum(file.rows or 0 for file in old)
        self.done.rows_expired += rows
        log.info("rows past the retention removed", rows=rows, files=len(old))
        yield

    def merge(self, handle: ReplacingHandle, group: Sequence[ActiveFile]) -> Work:
        """Put the rows of files into one; files that cannot be read are `unmergeable` from then on.

        Those beside them are merged by the next work.
        """
        columns = [field for field in pa.schema(handle.table.schema()) if field.name != PARTITION_COLUMN]
        schema = pa.schema(columns)
        date = group[0].date.isoformat()
        name = new_name(date)
        target = self._store.stage(name)
        merge: Merge | None = None
        landed = handle.is_in_doubt = False
        try:
            self._hook(f"before:{MaintenanceStep.MERGE}")
            try:
                merge = Merge([self._store.source(file.path) for file in group], schema, target, self._layout)
                yield from merge.steps()
                group = group[: merge.taken]
                _insist_on_rows(merge, group)
            except Exception as error:
                _insist_on_names(handle, group, error)
                if is_of_one_file(self._store, error):
                    traceback.clear_frames(error.__traceback__)  # they hold what was read
                    tried = group[: merge.taken or None] if merge else group
                    yield from self._leave_out(handle, tried, schema, error)
                raise
            merged = DataFile(name, self._store.publish(name), date, statistics(merge.rows, merge.bounds))
            self._hook(f"after:{MaintenanceStep.MERGE}")
            yield
            self._hook(f"before:{MaintenanceStep.REPLACE}")
            handle.replace(group, [merged], now=self._now(), data_change=False, info=_COMPACTION)
            landed = True
            self._hook(f"after:{MaintenanceStep.REPLACE}")
        finally:
            if not (landed or handle.is_in_doubt):
                self._store.discard(name)
            # It keeps what was freed for a work like this one, which comes in minutes; batches take memory elsewhere.
            pa.default_memory_pool().release_unused()
        self.done.files_merged += len(group)
        self.done.files_written += 1
        log.info("files merged", date=date, files=len(group), rows=merge.rows, mb=round(merged.size_bytes / 1e6, 1))

    def _leave_out(
        self, handle: ReplacingHandle, group: Sequence[ActiveFile], schema: pa.Schema, error: Exception
    ) -> Work:
        """Make those `unmergeable` that fail alone; all of them, where what is in them only fails together."""
        found = yield from culprits(self._store, group, schema, self._layout)
        missing = next((why for why in found.values() if isinstance(why, FileNotFoundError)), None)
        if missing is not None:
            _insist_on_names(handle, group, missing)
        if not found and self._store.is_at_fault(error):
            return  # it was of the file that was written, or has passed
        for path, why in found.items():
            log.warning("a file cannot be read, and is not merged", file=path, reason=one_line(why))
        self.unmergeable.update(found or (file.path for file in group))

    def clean(
        self, handle: ReplacingHandle, *, now: dt.datetime, ahead: dt.timedelta, may_delete: Callable[[], bool]
    ) -> Work:
        """Delete what nobody needs any more, and see that the log has checkpoints.

        Args:
            handle: of the table.
            now: the time by which files are deleted, UTC.
            ahead: by how much the system's clock is ahead of it.
            may_delete: asked where there are files to delete.
        """
        handle.keep_tombstones(math.ceil(self._keep_replaced_h) + _TOMBSTONES_LONGER_H)
        version = handle.table.version()
        if version - max(log_names(self._store)[1], default=-1) >= _UNCHECKPOINTED:
            handle.table.create_checkpoint()
            self._store.sync_log(version - 1, version)
            yield
        spare = dt.timedelta(hours=self._keep_replaced_h)
        unnamed = unnamed_files(handle.table, self._store, spare, now, ahead)
        if unnamed and may_delete():
            yield from self._delete(unnamed, "files_deleted")
        yield from self._delete(old_log_entries(self._store), "log_entries_deleted")

    def _delete(self, names: Sequence[str], counted_as: str) -> Work:
        self._hook(f"before:{MaintenanceStep.DELETE}")
        for begin in range(0, len(names), _DELETED_AT_ONCE):
            for name in names[begin : begin + _DELETED_AT_ONCE]:
                self._store.delete(name)
            yield
        self._hook(f"after:{MaintenanceStep.DELETE}")
        setattr(self.done, counted_as, getattr(self.done, counted_as) + len(names))


def _insist_on_names(handle: ReplacingHandle, group: Sequence[ActiveFile], error: Exception) -> None:
    """Refuse to go on with a file that is missing because the table does not name it any more."""
    if isinstance(error, FileNotFoundError):
        handle.refresh()
        if not {file.path for file in group} <= {file.path for file in handle.files()}:
            raise Fenced("an erasure replaced and deleted a file meanwhile") from error


def _insist_on_rows(merge: Merge, group: Sequence[ActiveFile]) -> None:
    expected = [file.rows for file in group]
    if None not in expected and merge.rows != sum(rows for rows in expected if rows is not None):
        raise TableError(
            f"files of {group[0].date} do not hold the rows that the table says; they are left as they are"
        )
