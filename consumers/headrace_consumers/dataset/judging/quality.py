"""Scorers: how good a record's output is, from 0 to 1. Plain callables over the record and its parsed output.

`score_frame` is the same for many records at once.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace_consumers.dataset.records.filled import filled_share
from headrace_schemas import Interaction

__all__ = ["SCORERS", "Scorer", "score_fields", "score_frame", "score_legacy"]

Scorer: TypeAlias = Callable[[Interaction, Mapping[str, Any]], float]


def score_fields(record: Interaction, output: Mapping[str, Any]) -> float:
    """Return the share of output fields that are there, not empty and readable; 0 where there is no field.

    A declared field that the program did not fill is null in the record. A short answer loses nothing.
    """
    del record
    return filled_share(output)


def score_legacy(record: Interaction, output: Mapping[str, Any]) -> float:
    """Return the first implementation's heuristic, kept for comparison: it rejects every short answer.

    The product of 0.5 for an output of under 20 characters of JSON, 0.8 for a latency under 100 ms or 0.9 for one
    over 30 s, and 0.7 for fewer than 50 tokens. Unknown values cost nothing.
    """
    del output
    score = 1.0
    if len(record["output"]) < 20:  # noqa: PLR2004  # the heuristic's own constants
        score *= 0.5
    latency_ms, tokens = record["latency_ms"], record["tokens"]
    if latency_ms is not None and latency_ms < 100:  # noqa: PLR2004
        score *= 0.8
    elif latency_ms is not None and latency_ms > 30_000:  # noqa: PLR2004
        score *= 0.9
    if tokens is not None and tokens < 50:  # noqa: PLR2004
        score *= 0.7
    return score


SCORERS: Final[Mapping[str, Scorer]] = {"fields": score_fields, "legacy": score_legacy}


def score_frame(records: pl.DataFrame, filled: npt.NDArray[np.float64], scorer: pl.Expr) -> pl.Series:
    """Return each record's score as `quality`.

    Args:
        records: FRAME_SCHEMA.
        filled: shape (n,), `filled_share` of their outputs.
        scorer: the name of each record's scorer.
    """
    latency_ms, tokens = pl.col("latency_ms"), pl.col("tokens")
    legacy = (
        pl.when(pl.col("output").str.len_chars() < 20).then(0.5).otherwise(1.0)  # noqa: PLR2004
        * pl.when(latency_ms < 100).then(0.8).when(latency_ms > 30_000).then(0.9).otherwise(1.0)  # noqa: PLR2004
        * pl.when(tokens < 50).then(0.7).otherwise(1.0)  # noqa: PLR2004
    )
    return records.select(
        quality=pl.when(scorer == "legacy").then(legacy).otherwise(pl.lit(pl.Series(filled)))
    ).to_series()
