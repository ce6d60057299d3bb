"""How the consumer stands, as a value: for its health endpoint, its status line and its log; and what that means.

healthy: the loop turns, and commits do not fail for long. ready: it has its partitions and has caught up, and Kafka
answers; that it does not is no reason to be started again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace_consumers.monitoring.broker_silence import SILENT_S
from headrace_consumers.monitoring.lag import lag_s

__all__ = ["HealthLimits", "PartitionStatus", "Status", "Verdict", "judge"]


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One owned partition.

    Attributes:
        position: the table's; None where it has none yet.
        next_offset: the next to be read.
        buffered: records read and not committed.
        lag: records in Kafka that are not in the table, offsets without a record counted too; None: not known yet.
        is_ready: whether the seen-set covers the table's rows of it.
        has_caught_up: whether its end has been reached since it was assigned.
        waits_since_ms: when the oldest record that is buffered, or else the last that was read, was written to Kafka,
            Unix time; None: none was read, or Kafka does not say.
    """

    position: int | None
    next_offset: int
    buffered: int
    lag: int | None
    is_ready: bool
    has_caught_up: bool
    waits_since_ms: int | None = None

    def lag_s(self, now_ms: int) -> float | None:
        """Return how old what waits is, in seconds; None: not known."""
        return lag_s(self.lag, self.waits_since_ms, now_ms)


@dataclass(frozen=True, slots=True)
class Status:
    """A moment of the loop.

    Attributes:
        turned_at: when it turned last, seconds, monotonic.
        has_joined: whether the group has given it an assignment, maybe an empty one.
        partitions: what it owns.
        failing_since: when commits began to fail, seconds, monotonic; None: they do not.
        is_paused: whether reading waits for a commit.
        last_error: the last that went wrong, in one line; it may be over.
        kafka_silent_s: how long ago a broker last answered.
    """

    turned_at: float
    has_joined: bool = False
    partitions: Mapping[int, PartitionStatus] = field(default_factory=dict)
    failing_since: float | None = None
    is_paused: bool = False
    last_error: str | None = None
    kafka_silent_s: float = 0.0

    @property
    def is_cut_off(self) -> bool:
        """Whether Kafka is away, so that nobody knows what waits there."""
        return self.kafka_silent_s > SILENT_S

    @property
    def lag(self) -> int | None:
        """Records in Kafka that are not in the table; None while a partition's is not known."""
        if self.is_cut_off:
            return None
        lags = [partition.lag for partition in self.partitions.values()]
        return None if any(lag is None for lag in lags) else sum(lag for lag in lags if lag is not None)


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """What is too much.

    Attributes:
        stalled_s: the loop has not turned for so long.
        failing_s: commits have failed for so long.
        lag_records: more than this is not caught up; it need not be nothing, or ready would flicker under load.
    """

    stalled_s: float
    failing_s: float
    lag_records: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe is told; `problems` is empty where all is well."""

    is_healthy: bool
    is_ready: bool
    body: Mapping[str, Any]


def judge(status: Status, now: float, limits: HealthLimits) -> Verdict:
    """Return what a status means at `now`, seconds, monotonic."""
    unhealthy, unready = [], []
    turned_s = now - status.turned_at
    if turned_s > limits.stalled_s:
        unhealthy.append(f"the loop has not turned for {turned_s:.0f} s")
    failing_s = None if status.failing_since is None else now - status.failing_since
    if failing_s is not None and failing_s > limits.failing_s:
        unhealthy.append(f"commits have failed for {failing_s:.0f} s")
    if status.is_cut_off:
        unready.append(f"no broker has answered for {status.kafka_silent_s:.0f} s")
    if not status.has_joined:
        unready.append("no assignment yet")
    if behind := sorted(p for p, each in status.partitions.items() if not (each.is_ready and each.has_caught_up)):
        unready.append(f"not caught up since the assignment: {behind}")
    elif not status.is_cut_off and (status.lag is None or status.lag > limits.lag_records):
        unready.append(f"lag above {limits.lag_records}")
    is_healthy = not unhealthy
    return Verdict(
        is_healthy,
        is_healthy and not unready,
        {
            "problems": [*unhealthy, *unready],
            "lag": status.lag,
            "partitions": {
                str(p): {
                    "position": each.position,
                    "next_offset": each.next_offset,
                    "lag": None if status.is_cut_off else each.lag,
                }
                for p, each in sorted(status.partitions.items())
            },
            "paused": status.is_paused,
            "failing_s": None if failing_s is None else round(failing_s, 1),
            "last_error": status.last_error,
        },
    )
