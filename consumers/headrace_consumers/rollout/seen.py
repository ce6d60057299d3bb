"""What was counted in a stage, as decisions see it, and by what it is judged. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final

from headrace_consumers.rollout.proportions import Pair
from headrace_consumers.rollout.ratios import Mean

__all__ = ["Guard", "Seen"]

_SETTLED_AFTER: Final = 10
"""Times the longest that calls take; see `decision`."""
_MOST_SETTLED_AFTER_S: Final = 3_600.0


class Guard(StrEnum):
    """What a verdict rests on."""

    failures = "failures"
    slow = "slow"
    latency = "latency"
    cost = "cost"
    score = "score"
    cancelled = "cancelled"
    shares = "split"
    time = "time"
    minimum = "minimum"
    """The stage's least calls and time."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted in a stage, of the candidate and of the baseline.

    Attributes:
        failures: of all calls.
        slow: of all calls, those above the latency bound that was fixed when the rollout began.
        latency: seconds; None: unknown.
        cost: USD; None: unknown.
        elapsed_s: since the stage began, without the time that it was paused.
        score: of feedback, in all stages; None: unknown.
        age_s: since the stage began.
        p99_s: within which calls end, but for one in a hundred, in whichever arm they take longer.
        cancelled: of all calls, failures' and these: those that were cancelled; None: unknown.
        has_costs: whether any sampled call of either arm is known to have cost something.
    """

    failures: Pair
    slow: Pair
    latency: tuple[Mean, Mean] | None
    cost: tuple[Mean, Mean] | None
    elapsed_s: float
    score: tuple[Mean, Mean] | None = None
    age_s: float = inf
    p99_s: float = 0.0
    cancelled: Pair | None = None
    has_costs: bool = False

    @property
    def under_way(self) -> float:
        """The most calls of an arm that may be under way, for each that was counted."""
        return min(1.0, self.p99_s / self.age_s) if self.age_s else 1.0

    @property
    def settled_after_s(self) -> float:
        """From which age on so many calls have ended that the candidate may go up."""
        return self._times_of_calls_s(_SETTLED_AFTER, _MOST_SETTLED_AFTER_S)

    @property
    def is_settled(self) -> bool:
        """Whether it is of that age."""
        return self.age_s >= self.settled_after_s

    def is_young(self, times: float, most_s: float) -> bool:
        """Tell whether too few calls have had the time to end."""
        return self.age_s < self._times_of_calls_s(times, most_s)

    def _times_of_calls_s(self, times: float, most_s: float) -> float:
        return min(times * self.p99_s, most_s)
