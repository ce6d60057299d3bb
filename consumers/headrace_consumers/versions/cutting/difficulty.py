"""How hard an example is, from what can be measured: sizes, time, calls of LMs.

    score = mean of what is known of
        size of the inputs      log scale, 100 bytes (0) to 10,000 (1)
        size of the outputs     log scale, 20 bytes (0) to 5,000 (1)
        latency of the call     log scale, 200 ms (0) to 20 s (1)
        calls of LMs            log scale, 1 (0) to 8 (1); a retry is a call too

    easy < bounds[0] <= medium < bounds[1] <= hard

Without bounds of the configuration they are where the telemetry's own scores give the shares that are wanted: hard is
then the hardest fifth of this signature's traffic. A source's own word, and a scorer of the user's own, go before it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace_consumers.versions.errors import VersionsError
from headrace_schemas import canonical

__all__ = ["FACTS", "Scorer", "bounds_of", "difficulty", "own_scores", "score"]

FACTS: Final[Mapping[str, tuple[float, float]]] = {
    "input_bytes": (100, 10_000),
    "output_bytes": (20, 5_000),
    "latency_ms": (200, 20_000),
    "lm_calls": (1, 8),
}
"""What is measured -> where the scale begins and ends."""

_DIGITS: Final = 6

Scorer = Callable[[Mapping[str, Any]], float]
"""Given inputs, outputs, source, category, latency_ms and lm_calls, returns 0 (easy) to 1 (hard)."""


def score() -> pl.Expr:
    """Return the score of `inputs`, `outputs`, `latency_ms` and `lm_calls`; what is null is unknown."""
    facts = {
        "input_bytes": pl.col("inputs").str.len_bytes(),
        "output_bytes": pl.col("outputs").str.len_bytes(),
        "latency_ms": pl.col("latency_ms"),
        "lm_calls": pl.col("lm_calls"),
    }
    parts = [_on_scale(facts[name].cast(pl.Float64), *ends) for name, ends in FACTS.items()]
    return pl.mean_horizontal(parts).round(_DIGITS)


def own_scores(examples: pl.DataFrame, scorer: Scorer, name: str) -> pl.Series:
    """Return what a scorer of the user's own says of each example.

    Args:
        examples: `inputs`, `outputs`, `source`, `category`, `latency_ms`, `lm_calls`.
        scorer: the user's own.
        name: how the configuration names it.

    Raises:
        VersionsError: it fails, or returns something else.
    """
    columns = ["inputs", "outputs", "source", "category", "latency_ms", "lm_calls"]
    found = []
    for row in examples.select(columns).iter_rows(named=True):
        shown = {**row, "inputs": canonical.loads(row["inputs"]), "outputs": canonical.loads(row["outputs"])}
        try:
            value = scorer(shown)
        except Exception as error:  # whatever somebody's own code does; its message may quote the example
            raise VersionsError(f"versions.difficulty_scorer {name}: raised {type(error).__name__}") from None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise VersionsError(
                f"versions.difficulty_scorer {name}: returned {type(value).__name__}, expected a number from 0 to 1"
            )
        found.append(float(value))
    return pl.Series("score", found, dtype=pl.Float64).round(_DIGITS)


def bounds_of(scores: npt.NDArray[np.float64], easy: float, hard: float) -> tuple[float, float]:
    """Return from which scores an example is medium and hard, so that so many are easy and hard.

    Args:
        scores: of the telemetry; in any order.
        easy: the share of easy ones that is wanted.
        hard: that of hard ones.
    """
    if not len(scores):
        return (0.0, 0.0) if easy == 0 else (1 / 3, 2 / 3)
    ordered = np.sort(scores)
    medium_from = ordered[min(math.ceil(easy * len(ordered)), len(ordered) - 1)]
    hard_from = ordered[min(math.ceil((1 - hard) * len(ordered)), len(ordered) - 1)]
    return float(medium_from), float(hard_from)


def difficulty(column: str, bounds: tuple[float, float]) -> pl.Expr:
    """Return the difficulty of a column of scores."""
    medium_from, hard_from = bounds
    value = pl.col(column)
    return (
        pl.when(value < medium_from)
        .then(pl.lit("easy"))
        .when(value < hard_from)
        .then(pl.lit("medium"))
        .otherwise(pl.lit("hard"))
    )


def _on_scale(value: pl.Expr, begin: float, end: float) -> pl.Expr:
    place = (value.clip(lower_bound=begin).log() - math.log(begin)) / (math.log(end) - math.log(begin))
    return place.clip(0, 1)
