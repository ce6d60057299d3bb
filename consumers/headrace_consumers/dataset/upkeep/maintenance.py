"""The maintenance role: whoever owns partition 0 keeps the table healthy, a small step at a time, between polls.

    expired rows out -> small files merged -> files that are no longer needed deleted -> the log checkpointed and cut

`works` has what each does. Two that believe they hold the role do no harm: `replacing` lets one of them through.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from headrace.config.consumers import Dataset
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.rows import INTERACTIONS
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.store_at import opened_at
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.steps import Hook, no_hook
from headrace_consumers.dataset.upkeep.brokers_time import brokers_time
from headrace_consumers.dataset.upkeep.host_clock import HostClock
from headrace_consumers.dataset.upkeep.maintenance_plan import (
    ActiveFile,
    expired,
    has_room,
    is_crowded,
    to_merge,
)
from headrace_consumers.dataset.upkeep.replacing import ReplacingHandle
from headrace_consumers.dataset.upkeep.table_health import TableHealth
from headrace_consumers.dataset.upkeep.works import Work, Works
from headrace_consumers.table_files import MOST_FILES

__all__ = ["Maintenance"]

log = structlog.get_logger("headrace.dataset")

LOOK_S: Final = 60.0
CLEAN_S: Final = 3600.0
SHARE: Final = 0.2
"""Of the consumer's time, unless the table is crowded."""

_EXPIRED_AT_ONCE: Final = 1_000


class Maintenance:
    """Keeps one table healthy; not thread-safe. It has a handle of its own on the table, opened when first needed.

    Args:
        place: the table, a local folder or a store, that is a table already.
        config: retention, sizes, and how long replaced files stay.
        layout: what the table looks like.
        now: UTC.
        clock: seconds, monotonic.
        host_clock: whether rows and files may be removed by `now`, which is its; None: they may.
        room: how many bytes the table's disk has free, and its size; None: nobody can tell, as of an object store.
        hook: called around the steps; tests kill the process there.

    Attributes:
        table_name: for people.
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
        host_clock: HostClock | None = None,
        room: Callable[[], tuple[int, int] | None] = lambda: None,
        hook: Hook = no_hook,
    ) -> None:
        self._store = opened_at(place)
        self._config = config
        self._now = now
        self._clock = clock
        self._host_clock = host_clock
        self._works = Works(self._store, layout, keep_replaced_h=config.maintenance.keep_replaced_h, now=now, hook=hook)
        self._room = room
        self._is_short_of_room = False
        self._handle: ReplacingHandle | None = None
        self._work: Work | None = None
        self._is_merging = self._cleans_first = False
        self._not_before = clock()
        self._clean_at = clock()
        self._is_crowded = False
        self._failing_since: float | None = None
        self._has_looked = False
        self.table_name = layout.name.removeprefix("headrace ")
        self.done = self._works.done

    @property
    def health(self) -> TableHealth | None:
        """How the table stands; None while another member maintains it, or it has not been looked at."""
        if not self._has_looked and self._failing_since is None:
            return None
        return TableHealth(
            self.done.active_files, len(self._works.unmergeable), self.done.files_merged, self._failing_since
        )

    def turn(self, *, has_role: bool = True, has_backlog: bool = False) -> None:
        """Do a step if one is due, of a fraction of a second. What goes wrong is logged, and tried later.

        Args:
            has_role: False: leave what is under way, for another may be at it.
            has_backlog: whether this member has much to read; see `to_merge`.
        """
        if not has_role:
            self.pause()
            self._has_looked, self._failing_since = False, None
            return
        began = self._clock()
        if began < self._not_before:
            return
        try:
            did_something = self.step(has_backlog=has_backlog)
        except Fenced:
            log.info("maintenance: another member was at it")
            did_something = False
        except Exception as error:  # the table grows slower to read, and the consumer goes on
            log.warning("maintenance failed, trying again later", kind=type(error).__name__, reason=one_line(error))
            did_something = False
            self._failing_since = began if self._failing_since is None else self._failing_since
            if not self._is_merging:  # or a deletion that fails would look mended for an hour
                self._clean_at = min(self._clean_at, began)
        else:
            if not did_something:  # all is done, what failed too
                self._failing_since = None
        took = self._clock() - began
        pause = took * (1 / SHARE - 1) * (not self._is_crowded) if did_something else LOOK_S
        self._not_before = self._clock() + pause

    def step(self, *, has_backlog: bool = False) -> bool:
        """Do a step; False when there is nothing to do.

        Args:
            has_backlog: see `turn`.

        Raises:
            Fenced: another maintainer was faster; plan anew.
            TableError, DeltaError, ArrowException, OSError: the table cannot be read or written.
        """
        if self._work is None:
            self._work = self._next_work(has_backlog=has_backlog)
        if self._work is None:
            return False
        try:
            next(self._work)
        except StopIteration:
            self._work = None
        except BaseException:
            self._work = None
            self._cleans_first = self._is_merging
            raise
        return True

    def run(self) -> None:
        """Do all that there is to do.

        Raises:
            TableError: something could not be done; all the rest is, unless the disk refuses.
        """
        failed: Exception | None = None
        while True:
            given_up = len(self._works.unmergeable)
            try:
                if not self.step():
                    break
            except Fenced:
                continue
            except Exception as error:
                failed = failed or error
                is_cleaning_left = self._is_merging and self._clock() >= self._clean_at
                if len(self._works.unmergeable) == given_up and not is_cleaning_left:
                    break
        if failed is not None:
            reason = str(failed) if isinstance(failed, TableError) else f"{self._store.place}: {one_line(failed)}"
            raise TableError(reason) from failed

    def pause(self) -> None:
        """Leave what is under way: the role may be another's now."""
        work, self._work = self._work, None
        if work is not None:
            work.close()  # which discards the file that it was writing

    def _next_work(self, *, has_backlog: bool) -> Work | None:
        self._is_merging = False
        if self._handle is None:
            self._handle = ReplacingHandle(self._store)
        else:
            self._handle.refresh()
        files = self._handle.files()
        self.done.active_files = len(files)
        self._has_looked = True
        self._watch_crowd(files)
        if self._host_clock is not None:
            newest = max((file.date for file in files), default=None)
            self._host_clock.note(str(self._store.place), newest, self._handle.others_commits)
            if not self._host_clock.has_heard:
                self._host_clock.hear(brokers_time(self._store, files))
        old = expired(files, self._now().date(), self._config.retention_days)
        if old and self._may_remove():
            old = expired(old, self._to_remove_by(files).date(), self._config.retention_days)
            if old:
                return self._works.expire(self._handle, old[:_EXPIRED_AT_ONCE])
        target_bytes = int(self._config.maintenance.target_file_mb * 1e6)
        mergeable = [file for file in files if file.path not in self._works.unmergeable]
        group = to_merge(mergeable, self._now(), target_bytes, has_backlog=has_backlog)
        is_cleaning_due = self._clock() >= self._clean_at
        if group and not (self._cleans_first and is_cleaning_due) and self._has_room_for(group):
            self._is_merging = True
            return self._works.merge(self._handle, group)
        if is_cleaning_due:
            self._cleans_first = False  # nor does cleaning that fails keep it from merging
            self._clean_at = self._clock() + CLEAN_S
            until = self._to_remove_by(files)
            ahead = dt.timedelta(0) if self._host_clock is None else self._host_clock.ahead_of(until)
            return self._works.clean(self._handle, now=until, ahead=ahead, may_delete=self._may_remove)
        return None

    def _has_room_for(self, group: Sequence[ActiveFile]) -> bool:
        room = self._room()
        has = room is None or has_room(group, *room)
        if not (has or self._is_short_of_room):
            log.warning("no files are merged: the disk is nearly full", table=str(self._store.place))
        self._is_short_of_room = not has
        return has

    def _to_remove_by(self, files: Sequence[ActiveFile]) -> dt.datetime:
        if self._host_clock is None:
            return self._now()
        self._host_clock.hear(brokers_time(self._store, files))
        return self._host_clock.to_remove_by()

    def _may_remove(self) -> bool:
        return self._host_clock is None or self._host_clock.may_remove()

    def _watch_crowd(self, files: Sequence[ActiveFile]) -> None:
        crowded = is_crowded(files)
        if crowded and not self._is_crowded:
            log.warning(
                "the table has many files; merging them before anything else", files=len(files), most=MOST_FILES
            )
        self._is_crowded = crowded
