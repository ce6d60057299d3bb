"""What a cycle works with: clocks, tables, workers and whoever ships, passed in."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from headrace.config import Config
from headrace_consumers.cycle.rolling_out import Shipping
from headrace_consumers.cycle.supervision import OnProgress, Work
from headrace_consumers.versions.reading.tables import Tables

__all__ = ["Parts", "Plan", "Say", "period_of"]

Say: TypeAlias = Callable[[str], object]
"""Told a line for people, and for the log."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the steps use.

    Attributes:
        now: UTC.
        seconds: a clock that only goes forward.
        open_tables: opens the dataset's tables.
        work: does a job, see supervision.
        shipping: see rolling_out.
        hook: called before and after each step; tests kill the process there.
        say: tells people.
        progress: told how far a step is.
    """

    now: Callable[[], dt.datetime]
    seconds: Callable[[], float]
    open_tables: Callable[[Config], AbstractContextManager[Tables]]
    work: Work
    shipping: Shipping
    hook: Callable[[str], object]
    say: Say
    progress: OnProgress


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: which, where, what of it.

    Attributes:
        id: its period, e.g. 202611.
        folder: where.
        signatures: which.
        starts_rollouts: whether what is shipped is rolled out.
    """

    id: str
    folder: Path
    signatures: tuple[str, ...]
    starts_rollouts: bool


def period_of(schedule: str, now: dt.datetime) -> str:
    """Return the name of the period in which a run falls: 202611 of a month, 2026W48 of an ISO week."""
    if schedule == "weekly":
        year, week, _ = now.isocalendar()
        return f"{year}W{week:02d}"
    return f"{now:%Y%m}"
