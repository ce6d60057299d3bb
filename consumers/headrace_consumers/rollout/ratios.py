"""How sure the ratio of two arms' means is, at whatever time one looks: of latency, cost, a score. Pure.

Means have no bound that a proof could begin with, so the interval holds in the limit: the asymptotic confidence
sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and asymptotic confidence
sequences, Annals of Statistics 52, 2024, for the logarithm of the ratio, whose variance is

    V = var_candidate / (n_candidate mean_candidate^2) + var_baseline / (n_baseline mean_baseline^2)

(the delta method). It is tightest at `_TIGHTEST_AT` calls of the candidate, and silent below MIN_CALLS.
"""

from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Final

__all__ = ["MIN_CALLS", "Mean", "ratio_bounds"]

MIN_CALLS: Final = 100
"""Of each arm: with fewer the limit is far."""
_TIGHTEST_AT: Final = 500.0


@dataclass(frozen=True, slots=True)
class Mean:
    """What was measured in one arm.

    Attributes:
        calls: how many; of a weighted sample, the number without weights that would have its variance.
        mean: above 0, or 0 where there are none.
        variance: of one call.
    """

    calls: float
    mean: float
    variance: float


def ratio_bounds(candidate: Mean, baseline: Mean, alpha: float) -> tuple[float, float]:
    """Return the interval that holds the candidate's mean over the baseline's, 0 to infinity where little is known.

    Args:
        candidate: its mean.
        baseline: likewise.
        alpha: how often the interval may ever miss the ratio, in the limit.
    """
    if min(candidate.calls, baseline.calls) < MIN_CALLS or min(candidate.mean, baseline.mean) <= 0:
        return 0.0, inf
    variance = _relative(candidate) + _relative(baseline)
    calls = candidate.calls
    rho2 = (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / _TIGHTEST_AT
    radius = sqrt(variance * 2 * (1 + 1 / (calls * rho2)) * log(sqrt(calls * rho2 + 1) / alpha))
    likeliest = log(candidate.mean / baseline.mean)
    return exp(likeliest - radius), exp(min(likeliest + radius, 700.0))


def _relative(arm: Mean) -> float:
    return arm.variance / (arm.calls * arm.mean**2)
