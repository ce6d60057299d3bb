"""What a member does between polls: maintenance if it has the role, and forgetting the keys of rows that are gone."""

import datetime as dt
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog

from headrace.config.consumers import Dataset
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, TableError
from headrace_consumers.dataset.steps import Hook
from headrace_consumers.dataset.upkeep.erasures import erasures_in
from headrace_consumers.dataset.upkeep.host_clock import HostClock
from headrace_consumers.dataset.upkeep.maintenance import Maintenance
from headrace_consumers.dataset.upkeep.table_health import TableHealth

__all__ = ["MAINTAINER", "Upkeep", "maintenance_of", "maintenances_of"]

MAINTAINER: Final = 0
"""The partition whose owner has the role."""

LOOK_S: Final = 600.0
_EPOCH: Final = dt.date(1970, 1, 1)

log = structlog.get_logger("headrace.dataset")


class Forgetful(Protocol):
    """A seen-set that knows the days of its keys' rows, and of erasures."""

    def reflects(self, erasures: int) -> bool:
        """Tell whether it was made from the table after so many erasures."""
        ...

    def forget_before(self, day: int) -> int:
        """Take out the keys of rows before a day since 1970; return how many there were."""
        ...

    def give_up_behind(self) -> bool:
        """Release what a full disk has kept from its file, once there is room; return whether there was any."""
        ...


class Upkeep:
    """Given a turn after each poll; not thread-safe.

    Args:
        maintenances: of its tables; none where it is switched off.
        table: this member's handle, on which it commits.
        seen: the keys of the partitions that it owns; None: it keeps none.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        maintenances: Sequence[Maintenance],
        table: InteractionTable,
        seen: Forgetful | None,
        clock: Callable[[], float],
    ) -> None:
        self._maintenances = maintenances
        self._table = table
        self._seen = seen
        self._clock = clock
        self._look_at = clock() + LOOK_S

    def turn(self, *, has_role: bool, has_backlog: bool = False) -> None:
        """Do what is due.

        Args:
            has_role: whether this member owns MAINTAINER.
            has_backlog: whether it has much to read.

        Raises:
            StateError: the seen-set cannot be written.
            Fenced: rows were erased from the table, or the seen-set's file fell behind and can be written again; a
                part of it has to be made anew.
        """
        for maintenance in self._maintenances:
            maintenance.turn(has_role=has_role, has_backlog=has_backlog)
        if self._seen is not None and self._clock() >= self._look_at:
            self._look_at = self._clock() + LOOK_S
            self._forget(self._seen)

    def health(self) -> dict[str, TableHealth]:
        """Return how each table stands that this member maintains, by name."""
        found = {maintenance.table_name: maintenance.health for maintenance in self._maintenances}
        return {name: health for name, health in found.items() if health is not None}

    def close(self) -> None:
        """Leave what is under way."""
        for maintenance in self._maintenances:
            maintenance.pause()

    def _forget(self, seen: Forgetful) -> None:
        """Forget keys only once the table has removed their rows: before that, a copy would become a second row."""
        try:
            self._table.refresh()
        except TableError:
            return  # the next commit says so
        if not seen.reflects(erasures_in(self._table)):
            raise Fenced("rows were erased from the table; the seen-set is made anew")
        if seen.give_up_behind():
            raise Fenced("the seen-set's file can be written again; it is brought forward from the table")
        oldest = self._table.oldest_date()
        if oldest is None:
            return
        forgotten = seen.forget_before((oldest - _EPOCH).days)
        if forgotten:
            log.info("keys of removed rows forgotten", keys=forgotten, before=oldest.isoformat())


def maintenances_of(
    tables: Sequence[InteractionTable], config: Dataset, hook: Hook, host_clock: HostClock
) -> list[Maintenance]:
    """Return what keeps the tables healthy; nothing where it is switched off."""
    if not config.maintenance.enabled:
        return []
    return [maintenance_of(table, config, hook, host_clock) for table in tables]


def maintenance_of(table: InteractionTable, config: Dataset, hook: Hook, host_clock: HostClock | None) -> Maintenance:
    """Return what keeps one table healthy; without `host_clock` the system's clock is taken at its word."""
    return Maintenance(
        table.store,
        config,
        layout=table.layout,
        now=(lambda: dt.datetime.now(dt.UTC)) if host_clock is None else host_clock.now,
        clock=time.monotonic,
        host_clock=host_clock,
        room=lambda: _room(table.store),
        hook=hook,
    )


def _room(store: Store) -> tuple[int, int] | None:
    if not isinstance(store.place, Path):
        return None
    usage = shutil.disk_usage(store.place)
    return usage.free, usage.total
