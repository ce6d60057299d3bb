"""Keep rules: of calls that the sample passes over, errors and slow ones may be kept, within a budget a second. Pure.

A rule has a rate, as the sample has, and decides by the same hash: a call that matches is kept where its request's hash
is below p = max(sampling rate, rule's rate), and p is its inclusion probability, also where the sample alone would have
taken it. So estimates weighted by 1/p are unbiased: the rate follows from how many calls matched before, never from
which of them were kept. Below the sampling rate the record is full; above it only the outcome is kept, for at the end
of a call its inputs may have changed.

    rate of the k-th match in a second = min(1, budget / max(k, matches of the second before))

In a steady stream that is one rate, which spends the budget; a sudden flood lowers it at once, not a second late.
"""

import math
import threading
from typing import Final, Literal, NamedTuple, TypeAlias

from headrace.config.telemetry import Keep
from headrace_schemas import keys

__all__ = ["NO_MATCH", "KeepRules", "Level", "Match", "level_of"]

Level: TypeAlias = Literal["full", "outcome"]


class Match(NamedTuple):
    """What the rules say of a call.

    Attributes:
        rate: the highest rate of those that match; 0 where none does.
        reason: which rule that is, "error" or "slow".
    """

    rate: float
    reason: str


NO_MATCH: Final = Match(0.0, "")


def level_of(hash64: int, sampling_rate: float, rule_rate: float) -> Level | None:
    """Return how much of a call is kept, None: nothing.

    Args:
        hash64: the request's sampling hash.
        sampling_rate: the share of requests that are captured.
        rule_rate: of the rule that matches, 0 where none does.
    """
    if keys.is_below_rate(hash64, sampling_rate):
        return "full"
    return "outcome" if keys.is_below_rate(hash64, rule_rate) else None


class KeepRules:
    """The rules of one process; thread-safe.

    Args:
        keep: their budgets.

    Attributes:
        is_on: whether any rule has a budget.
        slow_s: a call that took longer may match, as any error may.
    """

    def __init__(self, keep: Keep) -> None:
        self._errors = _Budget(keep.errors_per_s) if keep.errors_per_s > 0 else None
        self._slow = _Budget(keep.slow_per_s) if keep.slow_per_s > 0 else None
        self.slow_s: Final = math.inf if self._slow is None else keep.slow_ms / 1000
        self.is_on: Final = self._errors is not None or self._slow is not None

    def match(self, *, failed: bool, latency_s: float, now_s: float) -> Match:
        """Count a call where rules match it, and return the highest rate.

        Args:
            failed: it is an error; a cancelled call is none.
            latency_s: slow is what takes longer than `slow_ms`.
            now_s: when it ended, monotonic.
        """
        found = NO_MATCH
        if failed and self._errors is not None:
            found = Match(self._errors.spend(now_s), "error")
        if self._slow is not None and latency_s > self.slow_s:
            rate = self._slow.spend(now_s)
            if rate > found.rate:
                found = Match(rate, "slow")
        return found

    def renew(self) -> None:
        """Forget a lock that some thread of the parent process held at the fork."""
        for budget in (self._errors, self._slow):
            if budget is not None:
                budget.lock = threading.RLock()


class _Budget:
    """How many matches a second are kept."""

    __slots__ = ("_count", "_per_s", "_previous", "_second", "lock")

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._second = -1
        self._count = self._previous = 0
        self.lock = threading.RLock()

    def spend(self, now_s: float) -> float:
        """Count a match and return the rate at which it is kept."""
        second = math.floor(now_s)
        with self.lock:
            if second > self._second:
                self._previous = self._count if second == self._second + 1 else 0
                self._second, self._count = second, 0
            self._count += 1
            return min(1.0, self._per_s / max(self._previous, self._count))
