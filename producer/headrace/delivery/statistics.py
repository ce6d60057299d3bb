"""When the counters are published, and in which record. Pure: driven by the worker's loop, with the clock passed in.

    due_in_s() -> how long the loop may wait
    take()     -> the newest record, or None: not due, nothing counted yet, or the one before is still under way
    end()      <- that one was acknowledged, lost, or kept elsewhere

So in an outage no two records wait, and what is sent after it is the newest. A record is cumulative: of an instance's
records the one with the largest sequence replaces all others, and a lost or repeated one changes no total.
"""

import functools
import time
from collections.abc import Callable
from importlib import metadata

from headrace.config.telemetry import Telemetry
from headrace.counters import Counters
from headrace.delivery.outgoing import Outgoing
from headrace.ledger import Ledger
from headrace_schemas import Count, Statistics

__all__ = ["StatisticsPublisher"]


class StatisticsPublisher:
    """Makes the statistics records of one producer instance; used by one thread only.

    Args:
        counters: of its calls.
        ledger: what became of the sampled ones, and the instance's name.
        telemetry: how often, and the names in the records.
        clock: seconds, monotonic.
        time_ns: Unix time in nanoseconds.
        spool_bytes: tells how much is on disk; asked only while something is.
    """

    def __init__(
        self,
        counters: Counters,
        ledger: Ledger,
        telemetry: Telemetry,
        *,
        clock: Callable[[], float] = time.monotonic,
        time_ns: Callable[[], int] = time.time_ns,
        spool_bytes: Callable[[], int] = lambda: 0,
    ) -> None:
        self._counters = counters
        self._ledger = ledger
        self._telemetry = telemetry
        self._clock = clock
        self._time_ns = time_ns
        self._spool_bytes = spool_bytes
        self._started_at_ms = time_ns() // 1_000_000
        self._sequence = 0
        self._due_s: float | None = None
        self._is_under_way = False
        self._is_over = False
        self._hurried: list[Callable[[], object]] = []
        self._told_with_this: list[Callable[[], object]] = []

    def due_in_s(self) -> float:
        """Return in how many seconds a record is due, 0 if one is; infinity if none will be by itself."""
        if self._is_off() or self._is_under_way:
            return float("inf")
        now_s = self._clock()
        if self._due_s is None:
            self._due_s = now_s + self._telemetry.statistics_interval_s
        return max(0.0, self._due_s - now_s)

    def hurry(self, told: Callable[[], object]) -> None:
        """Make a record due now. `told` is called when one of later than now has ended, at once where none will be."""
        if self._is_off():
            told()
        else:
            self._due_s = self._clock()
            self._hurried.append(told)

    def take(self) -> Outgoing | None:
        """Return the newest record if it is due; `end` must follow."""
        if self.due_in_s() > 0:
            return None
        self._due_s = self._clock() + self._telemetry.statistics_interval_s
        return self._record(is_last=False)

    def take_last(self) -> Outgoing | None:
        """Return the last record, whatever is under way; calls that end after it are not counted in this instance."""
        if self._is_off():
            return None
        record = self._record(is_last=True)
        self._is_over = True
        return record

    def end(self) -> None:
        """Tell that the record taken is under way no more."""
        self._is_under_way = False
        told, self._told_with_this = self._told_with_this, []
        for each in told:
            each()

    def _is_off(self) -> bool:
        return self._is_over or not self._telemetry.statistics_interval_s or self._counters.is_empty

    def _record(self, *, is_last: bool) -> Outgoing:
        self._is_under_way = True
        self._sequence += 1
        self._told_with_this += self._hurried
        self._hurried = []
        ledger = self._ledger.stats()
        record: Statistics = {
            "instance": ledger.instance,
            "started_at_ms": self._started_at_ms,
            "sequence": self._sequence,
            "timestamp_ms": self._time_ns() // 1_000_000,
            "is_last": is_last,
            "service": self._telemetry.service or "",
            "environment": self._telemetry.environment,
            "release": _release(),
            "sampled": ledger.sampled,
            "adopted": ledger.adopted,
            "delivered": ledger.delivered,
            "spooled": ledger.spooled,
            "in_flight": ledger.in_flight,
            "dropped": [Count(name=reason, count=count) for reason, count in sorted(ledger.dropped.items())],
            "spool_bytes": self._spool_bytes() if ledger.spooled else 0,
            "program_failures": [
                Count(name=reason, count=count) for reason, count in sorted(ledger.program_failures.items())
            ],
            "calls": self._counters.snapshot(seal=is_last),
        }
        return Outgoing("statistics", record)


@functools.cache
def _release(distribution: str = "headrace") -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # bundled into a program, say, without its metadata
        return "unknown"
