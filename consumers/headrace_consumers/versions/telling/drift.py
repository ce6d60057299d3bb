"""How far two samples are apart, and how far they would be by chance.

The measure is the Jensen-Shannon distance to the base 2 (Lin 1991; Endres and Schindelin 2003):

    d(P, Q) = sqrt(H((P + Q) / 2) - (H(P) + H(Q)) / 2)        H in bits; 0: the same, 1: nothing in common

over the shares of each category, or for numbers over the first sample's deciles, what is below and what is above them.
Two samples of n and m from one population with k categories are apart too. To the second order d^2 is 1 / (8 ln 2)
times the sum of (p - q)^2 over the mean share, whose expectation is (k - 1)(1/n + 1/m): so by chance

    d ~ sqrt((k - 1)(1/n + 1/m) / (8 ln 2))
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST", "Drift", "binned", "drift", "edges_of", "expected", "jensen_shannon"]

LEAST: Final = 0.1
"""A smaller distance is never called a drift: a tenth of the shares' mass at two categories moves it by about this."""

_BINS: Final = 10
_TIMES_CHANCE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one property of two samples is apart.

    Attributes:
        distance: Jensen-Shannon, from 0 to 1; None where a sample is empty.
        by_chance: what two samples of one population would show.
        has_drifted: whether the distance is above LEAST and twice what chance would show.
    """

    distance: float | None
    by_chance: float | None
    has_drifted: bool


def drift(before: Mapping[str, int], after: Mapping[str, int]) -> Drift:
    """Return how far two counts by category are apart."""
    n, m = sum(before.values()), sum(after.values())
    if not n or not m:
        return Drift(None, None, has_drifted=False)
    distance = jensen_shannon(before, after)
    categories = sum(1 for name in {*before, *after} if before.get(name, 0) + after.get(name, 0))
    by_chance = expected(categories, n, m)
    return Drift(distance, by_chance, has_drifted=distance > max(LEAST, _TIMES_CHANCE * by_chance))


def jensen_shannon(before: Mapping[str, int], after: Mapping[str, int]) -> float:
    """Return the Jensen-Shannon distance of two counts, neither of which is empty."""
    n, m = sum(before.values()), sum(after.values())
    divergence = 0.0
    for name in {*before, *after}:
        p, q = before.get(name, 0) / n, after.get(name, 0) / m
        mean = (p + q) / 2
        divergence += sum(share * math.log2(share / mean) for share in (p, q) if share) / 2
    return math.sqrt(min(max(divergence, 0.0), 1.0))


def expected(categories: int, n: int, m: int) -> float:
    """Return the distance that two samples of n and m from one population with so many categories show by chance."""
    return min(math.sqrt(max(categories - 1, 0) * (1 / n + 1 / m) / (8 * math.log(2))), 1.0)


def edges_of(values: npt.ArrayLike) -> list[float]:
    """Return the upper edges of ten bins that hold about as many of the values each, and one below the least.

    What is below all of the values, or above, falls into bins of its own; equal edges are one.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not len(ordered):
        return []
    upper = {float(ordered[math.ceil(len(ordered) * at / _BINS) - 1]) for at in range(1, _BINS + 1)}
    return sorted({math.nextafter(float(ordered[0]), -math.inf), *upper})


def binned(values: npt.ArrayLike, edges: Sequence[float]) -> Counter[str]:
    """Return how many values fall between which edges; one on an edge falls below it."""
    bins, counts = np.unique(np.searchsorted(edges, np.asarray(values, dtype=np.float64)), return_counts=True)
    return Counter({str(bin_): int(count) for bin_, count in zip(bins, counts, strict=True)})
