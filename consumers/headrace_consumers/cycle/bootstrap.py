"""How sure the difference of two programs on the same examples is: a paired bootstrap; pure.

The examples are drawn with replacement, each with both of its scores, so that what makes an example easy or hard for
both cancels out. The interval is the percentile interval of the mean difference.

B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 (paired data) and 13 (percentile interval).
P. Koehn, Statistical Significance Tests for Machine Translation Evaluation, EMNLP 2004, for programs on one test set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

__all__ = ["RESAMPLES", "Comparison", "compared"]

RESAMPLES: Final = 10_000
_AT_ONCE: Final = 2_000_000
"""So many drawn differences are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate against the baseline.

    Attributes:
        examples: on which both were tested.
        baseline: its mean score.
        candidate: likewise.
        difference: candidate less baseline.
        low: the lower end of the difference's interval.
        high: its upper end.
        confidence: of the interval.
        relative: the difference as a share of the baseline; None: the baseline's score is 0.
    """

    examples: int
    baseline: float
    candidate: float
    difference: float
    low: float
    high: float
    confidence: float
    relative: float | None


def compared(
    baseline: Sequence[float],
    candidate: Sequence[float],
    *,
    confidence: float,
    seed: int,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two programs by their scores on the same examples.

    Args:
        baseline: a score an example.
        candidate: likewise, in the same order.
        confidence: of the interval, between 0 and 1.
        seed: of the draws: the same scores give the same interval.
        resamples: how often the examples are drawn.

    Raises:
        ValueError: there are no examples, or not as many of each.
    """
    before, after = np.asarray(baseline, dtype=float), np.asarray(candidate, dtype=float)
    if before.ndim != 1 or before.shape != after.shape or not before.size:
        raise ValueError(f"{before.size} scores of the baseline and {after.size} of the candidate")
    differences = after - before
    size = differences.size
    random = np.random.default_rng(seed)
    batch = max(1, _AT_ONCE // size)
    means = np.concatenate(
        [
            differences[random.integers(0, size, (min(batch, resamples - done), size))].mean(axis=1)
            for done in range(0, resamples, batch)
        ]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    mean = float(before.mean())
    difference = float(differences.mean())
    return Comparison(
        examples=size,
        baseline=mean,
        candidate=float(after.mean()),
        difference=difference,
        low=float(low),
        high=float(high),
        confidence=confidence,
        relative=difference / mean if mean > 0 else None,
    )
