"""What a sample tells of all calls: Hajek's ratio with an interval in which the records of one request are one. Pure.

Calls are sampled by request (one hash decides for all calls of it), so the records of a request come together or not at
all. With w = 1 / inclusion probability p, y what is measured and Y = sum(w y) / sum(w):

    Var(Y) = sum over requests of (1 - p) * (sum over its records of w (y - Y))^2 / sum(w)^2

(Sarndal, Swensson, Wretman: Model Assisted Survey Sampling, chapters 4 and 5, for Poisson sampling of clusters). The
interval is for the calls that were made, not for those to come: where everything is sampled it has no width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_REQUESTS", "Estimate", "mean_of", "requests_in", "share_of"]

MIN_REQUESTS: Final = 30
"""Below it the normal distribution says little."""
_Z: Final = 1.959964
"""The 97.5% quantile of the normal distribution."""

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
    width = _Z * ratio.variance**0.5
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
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    width = _Z / (1 + _Z**2 / count) * (spread / count + _Z**2 / (4 * count**2)) ** 0.5
    return Estimate(share, max(0.0, middle - width), min(1.0, middle + width))


@dataclass(frozen=True, slots=True)
class _Ratio:
    """Hajek's ratio.

    Attributes:
        value: the ratio.
        variance: its variance.
        alike: what the variance would be, but for the spread, if all records of a request were alike: the inverse of
            how many observations the requests are worth.
    """

    value: float
    variance: float
    alike: float

    @classmethod
    def of(cls, requests: Sequence[str], weights: Sequence[float], values: Sequence[float]) -> "_Ratio":
        w: _Floats = np.asarray(weights, np.float64)
        y: _Floats = np.asarray(values, np.float64)
        _, cluster = np.unique(np.asarray(requests, object).astype(str), return_inverse=True)
        total = w.sum()
        value = float((w * y).sum() / total)
        residuals = np.bincount(cluster, w * (y - value))
        sizes = np.bincount(cluster, w)
        # One rate holds for a request; where a rule added records, the largest: they were the likelier to be seen.
        unseen = np.zeros(len(sizes))
        np.maximum.at(unseen, cluster, 1 / w)
        unseen = 1 - unseen
        return cls(
            value,
            float((unseen * residuals**2).sum() / total**2),
            float((unseen * sizes**2).sum() / total**2),
        )
