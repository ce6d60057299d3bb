"""Between which bounds a quantile lies, by a histogram's buckets. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Between", "between", "count_above"]


@dataclass(frozen=True, slots=True)
class Between:
    """Where a quantile lies; the buckets know no better.

    Attributes:
        above: it is more than this, in the histogram's unit.
        most: and at most this; infinity where the histogram has no more bounds.
    """

    above: float
    most: float

    def exceeds(self, limit: float) -> bool:
        """Tell whether it is surely more than a limit; exact where the limit is one of the bounds."""
        return self.above >= limit


def between(cumulative: Mapping[float, float], q: float) -> Between | None:
    """Return between which bounds the q-quantile lies; None where nothing was measured.

    Args:
        cumulative: upper bound, with infinity -> how many are at most so large.
        q: 0 to 1. The quantile is the first bound below which at least this share lies, as `histogram_quantile` has it.
    """
    bounds = sorted(cumulative)
    if not bounds or bounds[-1] != math.inf or (total := cumulative[math.inf]) <= 0:
        return None
    rank = q * total
    # Sums of weights are not exact: a rank that a bound meets but for rounding is met.
    place = next((at for at, bound in enumerate(bounds) if cumulative[bound] >= rank * (1 - 1e-9)), len(bounds) - 1)
    return Between(bounds[place - 1] if place else 0.0, bounds[place])


def count_above(cumulative: Mapping[float, float], limit: float) -> float:
    """Return how many are surely more than a limit."""
    at_least = [bound for bound in cumulative if bound >= limit]
    return cumulative[math.inf] - cumulative[min(at_least)] if at_least else 0.0
