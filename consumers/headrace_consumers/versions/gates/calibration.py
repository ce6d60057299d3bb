"""What a judge's score is worth: its scores against those of people, and a rising curve from the one to the other.

The curve is isotonic regression by pooling adjacent violators (Ayer and others, 1955). How well it does is measured on
examples that it was not made of: each fifth of them by the curve of the other four.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

__all__ = ["FEWEST", "LEAST_CORRELATION", "Calibration", "Pair", "calibrated"]

FEWEST: Final = 20
"""With fewer scores of people a curve would be chance."""

LEAST_CORRELATION: Final = 0.3
"""A judge that agrees less with people in what is better than what is not to be gone by."""

_FOLDS: Final = 5
_BINS: Final = 5

Pair: TypeAlias = tuple[float, float]
"""The judge's score and people's, each 0 to 1."""

_Curve: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a judge compares with people.

    Attributes:
        pairs: how many examples both have scored.
        correlation: of their ranks (Spearman), -1 to 1; None: one of them always says the same.
        error: mean absolute difference of the raw scores; None: there are no pairs.
        calibrated_error: likewise of the calibrated ones, on examples that the curve was not made of; None: no curve.
        bins: of the raw score: from, to, pairs, mean of the judge's, mean of people's.
        curve: raw scores and what they are worth, both rising; None: too few pairs, raw scores stand.
    """

    pairs: int
    correlation: float | None
    error: float | None
    calibrated_error: float | None
    bins: tuple[tuple[float, float, int, float, float], ...]
    curve: _Curve | None

    @property
    def is_refuted(self) -> bool:
        """Whether there are enough scores of people to tell, and the judge does not agree with them."""
        return self.curve is not None and (self.correlation is None or self.correlation < LEAST_CORRELATION)

    def of(self, score: float) -> float:
        """Return what a raw score is worth."""
        return score if self.curve is None else _read(self.curve, score)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "pairs": self.pairs,
            "correlation": self.correlation,
            "error": self.error,
            "calibrated_error": self.calibrated_error,
            "bins": [list(each) for each in self.bins],
            "curve": None if self.curve is None else [list(each) for each in self.curve],
        }


def calibrated(pairs: Sequence[Pair]) -> Calibration:
    """Return how a judge compares with people."""
    error = sum(abs(score - people) for score, people in pairs) / len(pairs) if pairs else None
    curve = _curve(pairs) if len(pairs) >= FEWEST else None
    return Calibration(
        len(pairs),
        _correlation(pairs),
        error,
        None if curve is None else _error_of_others(pairs),
        tuple(_bins(pairs)),
        curve,
    )


def _curve(pairs: Sequence[Pair]) -> _Curve:
    """Return the rising steps that are nearest to the pairs: scores, and the mean of people's at each."""
    blocks: list[list[float]] = []  # sum of people's, how many, least and greatest score
    for score, people in sorted(pairs):
        blocks.append([people, 1, score, score])
        while len(blocks) > 1 and (
            blocks[-2][3] == blocks[-1][2] or blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]
        ):
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1], blocks[-1][2], last[3]]
    points = [(at, block[0] / block[1]) for block in blocks for at in dict.fromkeys(block[2:])]
    return tuple(at for at, _ in points), tuple(value for _, value in points)


def _read(curve: _Curve, score: float) -> float:
    """Return the curve's value: straight between two points, level beyond them."""
    scores, values = curve
    place = bisect_left(scores, score)
    if place == 0 or place == len(scores):
        return values[min(place, len(values) - 1)]
    left, right = scores[place - 1], scores[place]
    share = (score - left) / (right - left)
    return values[place - 1] + share * (values[place] - values[place - 1])


def _error_of_others(pairs: Sequence[Pair]) -> float:
    errors = []
    for fold in range(_FOLDS):
        curve = _curve([pair for number, pair in enumerate(pairs) if number % _FOLDS != fold])
        errors += [abs(_read(curve, score) - people) for score, people in pairs[fold::_FOLDS]]
    return sum(errors) / len(errors)


def _correlation(pairs: Sequence[Pair]) -> float | None:
    import polars as pl

    frame = pl.DataFrame(list(pairs), schema={"score": pl.Float64, "people": pl.Float64}, orient="row")
    if frame["score"].n_unique() <= 1 or frame["people"].n_unique() <= 1:
        return None
    found = frame.select(pl.corr("score", "people", method="spearman")).item()
    return float(found)


def _bins(pairs: Sequence[Pair]) -> list[tuple[float, float, int, float, float]]:
    bins = []
    for number in range(_BINS):
        start, end = number / _BINS, (number + 1) / _BINS
        inside = [pair for pair in pairs if min(int(pair[0] * _BINS), _BINS - 1) == number]
        if inside:
            means = [sum(pair[side] for pair in inside) / len(inside) for side in (0, 1)]
            bins.append((start, end, len(inside), means[0], means[1]))
    return bins
