"""How the consumer stands, as a value, and what that means for a probe. Pure.

healthy: the loop turns. ready: it has its partitions and has caught up, and Kafka answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from headrace_consumers.monitoring.lag import lag_s
from headrace_consumers.monitoring.standing import LoopStanding
from headrace_consumers.statistics.place import Place
from headrace_consumers.statistics.producers import LATE_MS

__all__ = ["LAG_RECORDS", "UNSCRAPED_S", "PartitionStanding", "Standing", "judge"]

LAG_RECORDS: Final = 10_000
UNSCRAPED_S: Final = LATE_MS / 1000
"""For so long without a scrape, what is counted comes too late for any alert."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing(LoopStanding):
    """A moment of the loop.

    Attributes:
        has_joined: whether the group has given it an assignment, maybe an empty one.
        partitions: what it owns.
        scraped_at_ms: when a page was last sent to a scrape, Unix time; None: never.
        unscraped_s: for how long none was.
        committed_at_ms: when Kafka last acknowledged offsets, Unix time; None: never.
    """

    has_joined: bool = False
    partitions: Mapping[Place, PartitionStanding] = field(default_factory=dict)
    scraped_at_ms: int | None = None
    unscraped_s: float = 0.0
    committed_at_ms: int | None = None


def judge(standing: Standing, now: float) -> tuple[bool, bool, dict[str, Any]]:
    """Return whether it is healthy, whether it is ready, and what a probe is told.

    Args:
        standing: as the loop told it last.
        now: seconds, monotonic.
    """
    problems = [] if standing.has_joined else ["no assignment yet"]
    partitions = sorted(standing.partitions.items())
    if behind := [_name(place) for place, each in partitions if not each.has_caught_up]:
        problems.append(f"not caught up since the assignment: {', '.join(behind)}")
    elif not standing.is_cut_off and any(each.lag is None or each.lag > LAG_RECORDS for _, each in partitions):
        problems.append(f"lag above {LAG_RECORDS}")
    told = {
        _name(place): {"next_offset": each.next_offset, "lag": None if standing.is_cut_off else each.lag}
        for place, each in partitions
    }
    return standing.judged(now, problems, _notes(standing), {"partitions": told})


def _notes(standing: Standing) -> list[str]:
    """Return what is told and makes nothing unready: who is not ready might not be scraped either."""
    if standing.unscraped_s <= UNSCRAPED_S:
        return []
    since = f"not scraped for {standing.unscraped_s:.0f} s"
    return [f"{since}: scrapes commit the offsets, so a restart reads again what was read since"]


def _name(place: Place) -> str:
    return f"{place[0]}/{place[1]}"
