"""The maintenance role: whoever owns partition 0 keeps the table healthy, a small step at a time, between polls.

    expired rows out -> small files merged -> files that are no longer needed deleted -> the log checkpointed and cut

Two that believe they hold the role do no harm: `replacing` lets one of them through. What is done in files before such
a commit counts for nothing, and is deleted as any file that no commit names.
"""

import datetime as dt
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import structlog

from headrace.config.consumers import Dataset
from headrace_consumers.dataset.delta.files import DataFile, new_name, statistics
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.rows import INTERACTIONS
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.store_at import opened_at
from headrace_consumers.dataset.delta.table_log import log_names
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.steps import Hook, MaintenanceStep, no_hook
from headrace_consumers.dataset.upkeep.cleanup import old_log_entries, unnamed_files
from headrace_consumers.dataset.upkeep.maintenance_plan import MOST_FILES, ActiveFile, expired, is_crowded, to_merge
from headrace_consumers.dataset.upkeep.merge import Merge
from headrace_consumers.dataset.upkeep.replacing import ReplacingHandle

__all__ = ["Done", "Maintenance"]

log = structlog.get_logger("headrace.dataset")

LOOK_S: Final = 60.0
CLEAN_S: Final = 3600.0
SHARE: Final = 0.2
"""Of the consumer's time, unless the table is crowded."""

_COMPACTION: Final = {"headrace.maintenance": "compaction"}
_RETENTION: Final = {"headrace.maintenance": "retention"}
_DELETED_AT_ONCE: Final = 200
_EXPIRED_AT_ONCE: Final = 1_000
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


class Maintenance:
    """Keeps one table healthy; not thread-safe. It has a handle of its own on the table, opened when first needed.

    Args:
        place: the table, a local folder or a store, that is a table already.
        config: retention, sizes, and how long replaced files stay.
        layout: what the table looks like.
        now: UTC.
        clock: seconds, monotonic.
        hook: called around the steps; tests kill the process there.

    Attributes:
        done: since it was made.
    """

    def __init__(
        self,
        place: Path | Store,
        config: Dataset,
        *,
        layout: Layout = INTERACTIONS,
        now: Callable[[], dt.datetime],
        clock: Callable[[], float],
        hook: Hook = no_hook,
    ) -> None:
        self._store = opened_at(place)
        self._config = config
        self._layout = layout
        self._now = now
        self._clock = clock
        self._hook = hook
        self._handle: ReplacingHandle | None = None
        self._work: Generator[None, None, None] | None = None
        self._not_before = clock()
        self._clean_at = clock()
        self._is_crowded = False
        self._unmergeable: set[str] = set()
        self.done = Done()

    def turn(self, *, has_role: bool = True) -> None:
        """Do a step if one is due, of a fraction of a second. What goes wrong is logged, and tried later.

        Args:
            has_role: False: leave what is under way, for another may be at it.
        """
        if not has_role:
            self.pause()
            return
        began = self._clock()
        if began < self._not_before:
            return
        try:
            did_something = self.step()
        except Fenced:
            log.info("maintenance: another member was at it")
            did_something = False
        except Exception as error:  # the table grows slower to read, and the consumer goes on
            log.warning("maintenance failed, trying again later", kind=type(error).__name__, reason=one_line(error))
            did_something = False
        took = self._clock() - began
        pause = took * (1 / SHARE - 1) * (not self._is_crowded) if did_something else LOOK_S
        self._not_before = self._clock() + pause

    def step(self) -> bool:
        """Do a step; False when there is nothing to do.

        Raises:
            Fenced: another maintainer was faster; plan anew.
            TableError, DeltaError, ArrowException, OSError: the table cannot be read or written.
        """
        if self._work is None:
            self._work = self._next_work()
        if self._work is None:
            return False
        try:
            next(self._work)
        except StopIteration:
            self._work = None
        except BaseException:
            self._work = None
            raise
        return True

    def run(self) -> None:
        """Do all that there is to do.

        Raises:
            TableError: something could not be done; all the rest is, unless the disk refuses.
        """
        failed: Exception | None = None
        while True:
            given_up = len(self._unmergeable)
            try:
                if not self.step():
                    break
            except Fenced:
                continue
            except Exception as error:
                failed = failed or error
                if len(self._unmergeable) == given_up:
                    break
        if failed is not None:
            reason = str(failed) if isinstance(failed, TableError) else f"{self._store.place}: {one_line(failed)}"
            raise TableError(reason) from failed

    def pause(self) -> None:
        """Leave what is under way: the role may be another's now."""
        work, self._work = self._work, None
        if work is not None:
            work.close()  # which discards the file that it was writing

    def _next_work(self) -> Generator[None, None, None] | None:
        if self._handle is None:
            self._handle = ReplacingHandle(self._store)
        else:
            self._handle.refresh()
        files = self._handle.files()
        self.done.active_files = len(files)
        self._watch_crowd(files)
        if old := expired(files, self._now().date(), self._config.retention_days):
            return self._expire(self._handle, old[:_EXPIRED_AT_ONCE])
        target_bytes = int(self._config.maintenance.target_file_mb * 1e6)
        mergeable = [file for file in files if file.path not in self._unmergeable]
        if group := to_merge(mergeable, self._now(), target_bytes):
            return self._merge(self._handle, group)
        if self._clock() >= self._clean_at:
            self._clean_at = self._clock() + CLEAN_S
            return self._clean(self._handle)
        return None

    def _expire(self, handle: ReplacingHandle, old: Sequence[ActiveFile]) -> Generator[None, None, None]:
        self._hook(f"before:{MaintenanceStep.REPLACE}")
        handle.replace(old, [], now=self._now(), data_change=True, info=_RETENTION)
        self._hook(f"after:{MaintenanceStep.REPLACE}")
        self.done.files_expired += len(old)
        rows = sum(file.rows or 0 for file in old)
        self.done.rows_expired += rows
        log.info("rows past the retention removed", rows=rows, files=len(old))
        yield

    def _merge(self, handle: ReplacingHandle, group: Sequence[ActiveFile]) -> Generator[None, None, None]:
        columns = [field for field in pa.schema(handle.table.schema()) if field.name != PARTITION_COLUMN]
        date = group[0].date.isoformat()
        name = new_name(date)
        sources = [self._store.source(file.path) for file in group]
        merge = Merge(sources, pa.schema(columns), self._store.stage(name), self._layout)
        landed = handle.is_in_doubt = False
        try:
            self._hook(f"before:{MaintenanceStep.MERGE}")
            try:
                yield from merge.steps()
                group = group[: merge.taken]
                _insist_on_rows(merge, group)
            except Exception as error:
                if isinstance(error, FileNotFoundError) and not _are_named(handle, group):
                    raise Fenced("an erasure replaced and deleted a file meanwhile") from error
                if not self._store.is_at_fault(error):
                    self._unmergeable.update(file.path for file in group[: merge.taken or None])
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
        self.done.files_merged += len(group)
        self.done.files_written += 1
        log.info("files merged", date=date, files=len(group), rows=merge.rows, mb=round(merged.size_bytes / 1e6, 1))

    def _clean(self, handle: ReplacingHandle) -> Generator[None, None, None]:
        version = handle.table.version()
        if version - max(log_names(self._store)[1], default=-1) >= _UNCHECKPOINTED:
            handle.table.create_checkpoint()
            self._store.sync_log(version - 1, version)
            yield
        spare = dt.timedelta(hours=self._config.maintenance.keep_replaced_h)
        yield from self._delete(unnamed_files(handle.table, self._store, spare, self._now()), "files_deleted")
        yield from self._delete(old_log_entries(self._store), "log_entries_deleted")

    def _delete(self, names: Sequence[str], counted_as: str) -> Generator[None, None, None]:
        self._hook(f"before:{MaintenanceStep.DELETE}")
        for begin in range(0, len(names), _DELETED_AT_ONCE):
            for name in names[begin : begin + _DELETED_AT_ONCE]:
                self._store.delete(name)
            yield
        self._hook(f"after:{MaintenanceStep.DELETE}")
        setattr(self.done, counted_as, getattr(self.done, counted_as) + len(names))

    def _watch_crowd(self, files: Sequence[ActiveFile]) -> None:
        crowded = is_crowded(files)
        if crowded and not self._is_crowded:
            log.warning(
                "the table has many files; merging them before anything else", files=len(files), most=MOST_FILES
            )
        self._is_crowded = crowded


def _are_named(handle: ReplacingHandle, group: Sequence[ActiveFile]) -> bool:
    handle.refresh()
    return {file.path for file in group} <= {file.path for file in handle.files()}


def _insist_on_rows(merge: Merge, group: Sequence[ActiveFile]) -> None:
    expected = [file.rows for file in group]
    if None not in expected and merge.rows != sum(rows for rows in expected if rows is not None):
        raise TableError(
            f"files of {group[0].date} do not hold the rows that the table says; they are left as they are"
        )
