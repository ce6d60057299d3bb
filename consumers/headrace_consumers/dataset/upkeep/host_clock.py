"""This host's clock as upkeep goes by it, which removes rows and deletes files for good: it may be wrong, or jump.

jumped ahead   the time before goes on, until the clock has run evenly for long
jumped back    followed at once: less is removed
wrong already  told by the tables, whose rows are dated by the brokers' clock: what is removed goes by the time that
               this has reached at least, and nothing is where it is days behind: see `is_plausible`
"""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import structlog

__all__ = ["Course", "HostClock", "follow", "is_plausible", "since_boot_s"]

log = structlog.get_logger("headrace.dataset")

JUMP_S: Final = 300.0
"""What no clock drifts by between two looks, nor a time service corrects without a jump."""

_DAY_S: Final = 86_400.0
_LATE_DAYS: Final = 2


@dataclass(frozen=True, slots=True)
class Course:
    """How a clock has run. A clock that runs evenly is always as far ahead of the seconds since boot.

    Attributes:
        shown: what it showed when last looked at, less the seconds since boot.
        followed: what is gone by, likewise.
        even_since: when it jumped last, or was looked at first, seconds since boot.
    """

    shown: float
    followed: float
    even_since: float

    @property
    def ahead_s(self) -> float:
        """By how much the clock is ahead of what is gone by."""
        return max(self.shown - self.followed, 0.0)


def follow(course: Course, wall_s: float, elapsed_s: float, settle_s: float) -> Course:
    """Return the course after a look at the clock.

    Args:
        course: until the look before.
        wall_s: what the clock shows, Unix time.
        elapsed_s: since boot.
        settle_s: after a jump ahead it is followed when it has run evenly for so long.
    """
    shown = wall_s - elapsed_s
    even_since = elapsed_s if abs(shown - course.shown) > JUMP_S else course.even_since
    is_held = shown - course.followed > JUMP_S and elapsed_s - even_since < settle_s
    return Course(shown, course.followed if is_held else shown, even_since)


def is_plausible(today: dt.date, newest: dt.date | None, quiet_s: float) -> bool:
    """Tell whether rows and files may be removed by a clock.

    Args:
        today: by that clock.
        newest: the newest ingest date in the tables, by the brokers' clock; None: there are no rows.
        quiet_s: for how long nobody has been seen to commit: then the newest date may well be an old one.
    """
    return newest is None or (today - newest).days <= _LATE_DAYS or quiet_s >= _DAY_S


class HostClock:
    """One for all tables of a process, for one table may be idle while another is not; not thread-safe.

    Args:
        wall: UTC.
        elapsed: seconds since boot or any other moment, which never jump.
        keep_replaced_h: how long files stay that no version needs.
    """

    def __init__(self, wall: Callable[[], dt.datetime], elapsed: Callable[[], float], keep_replaced_h: float) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._settle_s = max(_DAY_S, keep_replaced_h * 3600)  # else what was replaced before a jump would look old
        began = elapsed()
        shown = wall().timestamp() - began
        self._course = Course(shown, shown, began)
        self._tables: dict[str, tuple[dt.date | None, int]] = {}
        self._quiet_since = began
        self._brokers_began: float | None = None  # what their clock showed at least, less the seconds since boot
        self._is_in_doubt = False

    @classmethod
    def of_this_host(cls, keep_replaced_h: float) -> Self:
        """Return the system's."""
        return cls(lambda: dt.datetime.now(dt.UTC), since_boot_s, keep_replaced_h)

    @property
    def has_heard(self) -> bool:
        """Whether anything is known of the brokers' clock."""
        return self._brokers_began is not None

    def hear(self, brokers_time: dt.datetime | None) -> None:
        """Take in what the brokers' clock shows at least; None: nobody knows."""
        if brokers_time is not None:
            began = brokers_time.timestamp() - self._elapsed()
            self._brokers_began = began if self._brokers_began is None else max(self._brokers_began, began)

    def to_remove_by(self) -> dt.datetime:
        """Return the time by which rows and files are removed, UTC: `now`, as far as the brokers' clock confirms it.

        Where nobody has been seen to commit for a day it is `now`: the newest rows tell nothing then.
        """
        now, elapsed = self.now(), self._elapsed()
        if self._brokers_began is None or elapsed - self._quiet_since >= _DAY_S:
            return now
        return min(now, dt.datetime.fromtimestamp(self._brokers_began + elapsed, dt.UTC))

    def ahead_of(self, time: dt.datetime) -> dt.timedelta:
        """Return by how much the clock is ahead of a time."""
        return self._wall() - time

    def now(self) -> dt.datetime:
        """Return the time that is gone by, UTC."""
        wall, elapsed = self._wall(), self._elapsed()
        before, self._course = self._course, follow(self._course, wall.timestamp(), elapsed, self._settle_s)
        if self._course.ahead_s and self._course.even_since != before.even_since:
            log.warning(
                "this host's clock has jumped ahead: if it is wrong, set it; if it is right, start the consumer again, "
                "or rows and files are removed by the time before the jump until it has run evenly for long",
                ahead_h=round(self._course.ahead_s / 3600, 1),
                followed_in_h=round(self._settle_s / 3600, 1),
            )
        return wall - dt.timedelta(seconds=self._course.ahead_s)

    def note(self, table: str, newest: dt.date | None, commits: int) -> None:
        """Take in how a table stands.

        Args:
            table: its name.
            newest: its newest ingest date; None without rows.
            commits: a number that another's commit changes.
        """
        if self._tables.get(table) != (newest, commits):
            self._tables[table] = newest, commits
            self._quiet_since = self._elapsed()

    def may_remove(self) -> bool:
        """Tell whether rows and files may be removed by `now`; say once why not."""
        today = self.now().date()
        newest = max((date for date, _ in self._tables.values() if date is not None), default=None)
        may = is_plausible(today, newest, self._elapsed() - self._quiet_since)
        if not (may or self._is_in_doubt):
            log.warning(
                "no rows and files are removed: this host's clock is days ahead of the newest rows. If it is wrong, "
                "set it. If it is right, a consumer goes on when it has caught up, or has seen no commit for a day; "
                "headrace dataset maintain --trust-clock does it at once",
                today=today.isoformat(),
                newest_rows=str(newest),
            )
        self._is_in_doubt = not may
        return may


def since_boot_s() -> float:
    """Return seconds that never jump, and go on while the host is suspended, where it has such a clock."""
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
