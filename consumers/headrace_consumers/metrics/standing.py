"""How the consumer stands, as a value, and what that means for a probe. Pure.

healthy: the loop turns. ready: it has its partitions and has caught up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from headrace_consumers.metrics.place import Place
from headrace_consumers.monitoring.lag import lag_s

__all__ = ["LAG_RECORDS", "STALLED_S", "PartitionStanding", "Standing", "judge"]

STALLED_S: Final = 120.0
LAG_RECORDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class PartitionStanding:
    """One owned partition.

    Attributes:
        next_offset: the next to be read.
        lag: records in Kafka that were not read; None: not known yet.
        read_at_ms: when the record read last was written to Kafka, Unix time; None: none was read.
        has_caught_up: whether its end has been reached since it was assigned.
    """

    next_offset: int
    lag: int | None
    read_at_ms: int | None
    has_caught_up: bool

    def lag_s(self, now_ms: int) -> float | None:
        """Return how old what it shows is, in seconds; None: not known."""
        return lag_s(self.lag, self.read_at_ms, now_ms)


@dataclass(frozen=True, slots=True)
class Standing:
    """A moment of the loop.

    Attributes:
        turned_at: when it turned last, seconds, monotonic.
        has_joined: whether the group has given it an assignment, maybe an empty one.
        partitions: what it owns.
        last_error: the last that went wrong, in one line; it may be over.
    """

    turned_at: float
    has_joined: bool = False
    partitions: Mapping[Place, PartitionStanding] = field(default_factory=dict)
    last_error: str | None = None


def judge(standing: Standing, now: float) -> tuple[bool, bool, dict[str, Any]]:
    """Return whether it is healthy, whether it is ready, and what a probe is told.

    Args:
        standing: as the loop told it last.
        now: seconds, monotonic.
    """
    problems = []
    turned_s = now - standing.turned_at
    is_healthy = turned_s <= STALLED_S
    if not is_healthy:
        problems.append(f"the loop has not turned for {turned_s:.0f} s")
    if not standing.has_joined:
        problems.append("no assignment yet")
    partitions = sorted(standing.partitions.items())
    if behind := [_name(place) for place, each in partitions if not each.has_caught_up]:
        problems.append(f"not caught up since the assignment: {', '.join(behind)}")
    elif any(each.lag is None or each.lag > LAG_RECORDS for _, each in partitions):
        problems.append(f"lag above {LAG_RECORDS}")
    body = {
        "problems": problems,
        "partitions": {_name(place): {"next_offset": each.next_offset, "lag": each.lag} for place, each in partitions},
        "last_error": standing.last_error,
    }
    return is_healthy, not problems, body


def _name(place: Place) -> str:
    return f"{place[0]}/{place[1]}"
