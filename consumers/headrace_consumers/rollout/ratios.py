"""How sure the comparison of two arms' means is, at whatever time one looks: of latency, cost, a score. Pure.

Means have no bound that a proof could begin with, so the interval holds in the limit: the asymptotic confidence
sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and asymptotic confidence
sequences, Annals of Statistics 52, 2024, for the logarithm of the ratio, whose variance is

    V = var_candidate / (n_candidate mean_candidate^2) + var_baseline / (n_baseline mean_baseline^2)

(the delta method). A score may be 0 or below, where a ratio says nothing, so of it the difference
`candidate's mean - factor * baseline's mean` is taken, by the same sequence with

    V = max(var_candidate, var_baseline) * (1 / n_candidate + factor^2 / n_baseline)

as an arm that had no hit yet of a rare score has no variance, and is not that sure. Both are tightest at
`_TIGHTEST_AT` calls of the candidate, and silent below MIN_CALLS.
"""

from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Final

__all__ = ["MIN_CALLS", "Mean", "difference_bounds", "ratio_bounds"]

MIN_CALLS: Final = 100
"""Of each arm: with fewer the limit is far."""
_TIGHTEST_AT: Final = 500.0


@dataclass(frozen=True, slots=True)
class Mean:
    """What was measured in one arm.

    Attributes:
        calls: how many; of a weighted sample, the number without weights that would have its variance.
        mean: of latency and cost above 0, or 0 where there are none; of scores any.
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
    if min(candidate.calls, baseline.calls) < MIN_CALLS or candidate.mean < 0 or baseline.mean <= 0:
        return 0.0, inf
    if candidate.mean == 0:
        return 0.0, _above_nothing(candidate, baseline, alpha)
    radius = _radius(_relative(candidate) + _relative(baseline), candidate.calls, alpha)
    likeliest = log(candidate.mean / baseline.mean)
    return exp(likeliest - radius), exp(min(likeliest + radius, 700.0))


def difference_bounds(candidate: Mean, baseline: Mean, alpha: float, factor: float = 1.0) -> tuple[float, float]:
    """Return the interval that holds the candidate's mean less `factor` times the baseline's; infinite: not known.

    Args:
        candidate: its mean.
        baseline: likewise.
        alpha: how often the interval may ever miss the difference, in the limit.
        factor: above 0.
    """
    if min(candidate.calls, baseline.calls) < MIN_CALLS:
        return -inf, inf
    variance = max(candidate.variance, baseline.variance) * (1 / candidate.calls + factor**2 / baseline.calls)
    radius = _radius(variance, candidate.calls, alpha)
    likeliest = candidate.mean - factor * baseline.mean
    return likeliest - radius, likeliest + radius


def _above_nothing(candidate: Mean, baseline: Mean, alpha: float) -> float:
    """Return the least factor at which the difference is proven to be below 0, of a candidate that costs nothing."""
    spread = _radius(baseline.variance / candidate.calls, candidate.calls, alpha)
    left = baseline.mean**2 - _radius(baseline.variance / baseline.calls, candidate.calls, alpha) ** 2
    return spread / sqrt(left) if left > 0 else inf


def _radius(variance: float, calls: float, alpha: float) -> float:
    rho2 = (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / _TIGHTEST_AT
    return sqrt(variance * 2 * (1 + 1 / (calls * rho2)) * log(sqrt(calls * rho2 + 1) / alpha))


def _relative(arm: Mean) -> float:
    return arm.variance / (arm.calls * arm.mean**2)
