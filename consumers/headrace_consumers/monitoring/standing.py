"""How a consumer's loop stands, whatever it reads: what a probe is told of it. Pure.

healthy: the loop turns. ready: it turns, Kafka answers, and nothing of the consumer's own is in the way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace_consumers.monitoring.broker_silence import SILENT_S

__all__ = ["STALLED_S", "LoopStanding"]

STALLED_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStanding:
    """A moment of the loop.

    Attributes:
        turned_at: when it turned last, seconds, monotonic.
        last_error: the last that went wrong, in one line; it may be over.
        kafka_silent_s: how long ago a broker last answered.
    """

    turned_at: float
    last_error: str | None = None
    kafka_silent_s: float = 0.0

    @property
    def is_cut_off(self) -> bool:
        """Whether Kafka is away, so that nobody knows what waits there."""
        return self.kafka_silent_s > SILENT_S

    def judged(
        self, now: float, problems: Sequence[str], notes: Sequence[str], told: Mapping[str, Any]
    ) -> tuple[bool, bool, dict[str, Any]]:
        """Return whether it is healthy, whether it is ready, and what a probe is told.

        Args:
            now: seconds, monotonic.
            problems: of the consumer's own, that make it unready.
            notes: what is told and makes nothing unready.
            told: what else there is to tell.
        """
        turned_s = now - self.turned_at
        is_healthy = turned_s <= STALLED_S
        found = [] if is_healthy else [f"the loop has not turned for {turned_s:.0f} s"]
        if self.is_cut_off:
            found.append(f"no broker has answered for {self.kafka_silent_s:.0f} s")
        found += problems
        body = {"problems": found, "notes": list(notes), **told, "last_error": self.last_error}
        return is_healthy, not found, body
