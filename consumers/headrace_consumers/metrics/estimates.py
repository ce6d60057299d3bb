"""What a sample tells of all calls: Hajek's ratio with an interval in which the records of one request are one. Pure.

Calls are sampled by request (one hash decides for all calls of it), so the records of a request come together or not at
all. With w = 1 / inclusion probability p, y what is measured and Y = sum(w y) / sum(w):

    Var(Y) = sum over requests of (1 - p) * (sum over its records of w (y - Y))^2 / sum(w)^2

(Sarndal, Swensson, Wretman: Model Assisted Survey Sampling, chapters 4 and 5, for Poisson sampling of clusters). Where
few requests make up most of the variance, since there are few or they weigh unevenly, it is itself uncertain: so the
quantile is that of Student's t. The interval is for the calls that were made, not for those to come: where all is
sampled it has no width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_REQUESTS", "Estimate", "mean_of", "requests_in", "share_of"]

MIN_REQUESTS: Final = 30
"""Below it an interval says little."""
_Z: Final = 1.959964
"""The 97.5% quantile of the normal distribution."""
_LEAST_FREEDOM: Final = 4.0
"""A single failure is no reason to know nothing; Wilson's interval is lopsided enough."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over all calls, and its 95% interval."""

    value: float
    lower: float
    upper: float


def requests_in(requests: Sequence[str]) -> int:
    """Return how many requests there are."""
    return len(set(requests))


def mean_of(requests: Sequence[str], weights: Sequence[float], values: Sequence[float]) -> Estimate:
    """Return the mean of a quantity that is not below 0.

    Args:
        requests: of each record, shape (n,), n > 0.
        weights: 1 / inclusion probability, shape (n,).
        values: what was measured, shape (n,).
    """
    ratio = _Ratio.of(requests, weights, values)
    width = ratio.quantile * ratio.variance**0.5
    return Estimate(ratio.value, max(0.0, ratio.value - width), ratio.value + width)


def share_of(requests: Sequence[str], weights: Sequence[float], values: Sequence[float]) -> Estimate:
    """Return the share of records for which something holds, with Wilson's interval.

    Wilson's, for a share near 0 or 1 has a lopsided one, and a sample without a single failure does not prove that
    there was none. Its number of observations is the one that would have this variance.

    Args:
        requests: see `mean_of`.
        weights: see there.
        values: 1 where it holds, else 0.
    """
    ratio = _Ratio.of(requests, weights, values)
    share, spread = ratio.value, ratio.value * (1 - ratio.value)
    if ratio.variance > 0 and spread > 0:
        count = spread / ratio.variance
    elif ratio.alike > 0:
        count = 1 / ratio.alike
    else:
        return Estimate(share, share, share)
    z = ratio.quantile
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    width = z / (1 + z**2 / count) * (spread / count + z**2 / (4 * count**2)) ** 0.5
    return Estimate(share, max(0.0, middle - width), min(1.0, middle + width))


@dataclass(frozen=True, slots=True)
class _Ratio:
    """Hajek's ratio.

    Attributes:
        value: the ratio.
        variance: its variance.
        alike: what the variance would be, but for the spread, if all records of a request were alike: the inverse of
            how many observations the requests are worth.
        freedom: how many requests of the same residual would make the variance as certain as it is.
    """

    value: float
    variance: float
    alike: float
    freedom: float

    @property
    def quantile(self) -> float:
        """The 97.5% quantile of Student's t, by its expansion in 1 / freedom (Abramowitz and Stegun, 26.7.5)."""
        z, n = _Z, max(self.freedom, _LEAST_FREEDOM)
        return z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)

    @classmethod
    def of(cls, requests: Sequence[str], weights: Sequence[float], values: Sequence[float]) -> "_Ratio":
        w: _Floats = np.asarray(weights, np.float64)
        y: _Floats = np.asarray(values, np.float64)
        _, cluster = np.unique(np.asarray(requests, object).astype(str), return_inverse=True)
        total = w.sum()
        value = float((w * y).sum() / total)
        residuals = np.bincount(cluster, w * (y - value))
        squares, sizes = residuals**2, np.bincount(cluster, w)
        # One rate holds for a request; where a rule added records, the largest: they were the likelier to be seen.
        unseen = np.zeros(len(sizes))
        np.maximum.at(unseen, cluster, 1 / w)
        unseen = 1 - unseen
        return cls(
            value,
            float((unseen * squares).sum() / total**2),
            float((unseen * sizes**2).sum() / total**2),
            float((squares.sum() ** 2) / (squares**2).sum()) if squares.any() else math.inf,
        )
