"""The rate of each module, out of what it has and what it lacks. Pure.

    need = max(shortage, LEAST_NEED) * (1 + FAILING * share of calls that fail)
    shortage = 1 - examples / wanted, not below 0
    rate = level * need, from the least to the most rate, with the level at which all records together are the budget

So the budget is spent, modules that lack examples come first, of these the failing ones, and none is switched off: of
what is not sampled at all nothing can be estimated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["FAILING", "LEAST_NEED", "Demand", "rates_for", "worth_an_order"]

LEAST_NEED: Final = 0.05
"""Of a module that has all the examples that are wanted."""
FAILING: Final = 4.0
"""A module whose calls all fail is needed five times as much as one whose calls never do."""
_HALVINGS: Final = 100
_WORTH: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A module of a service in an environment.

    Attributes:
        environment: telemetry.environment.
        service: telemetry.service; empty: it has no name.
        module: as in statistics.
        calls_per_s: all of its calls, a second.
        failure_share: of these, those that failed, 0 to 1.
        examples: that there are of its signatures; of several the fewest.
        sampled_per_s: calls that are sampled now.
    """

    environment: str
    service: str
    module: str
    calls_per_s: float
    failure_share: float
    examples: int
    sampled_per_s: float = 0.0

    def need(self, wanted: int) -> float:
        """Return how much it is to be sampled, beside others."""
        shortage = max(0.0, 1 - self.examples / wanted) if wanted else 0.0
        return max(shortage, LEAST_NEED) * (1 + FAILING * min(1.0, max(0.0, self.failure_share)))


def rates_for(
    demands: Sequence[Demand], *, budget_per_s: float, wanted: int, least_pct: float = 1.0, most_pct: float = 100.0
) -> list[float]:
    """Return a sampling rate each, percent.

    Args:
        demands: the modules.
        budget_per_s: records a second of all together; each sampled call is one. Where the least rates alone are more
            than that, all are lowered alike.
        wanted: examples that a signature should have.
        least_pct: no module's rate is below it, but see `budget_per_s`.
        most_pct: none is above it.
    """
    calls = [demand.calls_per_s for demand in demands]
    needs = [demand.need(wanted) for demand in demands]

    def at(level: float) -> list[float]:
        return [min(most_pct, max(least_pct, level * need)) for need in needs]

    def records(rates: Sequence[float]) -> float:
        return sum(count * rate / 100 for count, rate in zip(calls, rates, strict=True))

    least = records(at(0.0))
    if least >= budget_per_s:
        return [least_pct * budget_per_s / least if least else least_pct for _ in demands]
    low, high = 0.0, 2 * most_pct / min(needs, default=1.0)  # where all are at the most, whatever the rounding
    if records(at(high)) <= budget_per_s:
        return at(high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if records(at(middle)) > budget_per_s else (middle, high)
    return at(low)


def worth_an_order(rate_pct: float, before_pct: float | None) -> bool:
    """Tell whether a rate differs enough from the one that is in force: every order makes every service look."""
    return before_pct is None or abs(rate_pct - before_pct) > _WORTH * before_pct
