"""Which readable records become examples: environment; success, latency, cost, quality, each per signature.

A value equal to a threshold passes. A value that is unknown passes too, and is counted. `judge` says it for one record;
`judge_all` says the same for the records of a frame at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from headrace.config import Filters, Thresholds
from headrace_consumers.dataset.quality import SCORERS, score_frame
from headrace_schemas import Interaction

__all__ = ["REASONS", "Filter", "Verdict"]

REASONS: Final = ("environment", "failed", "truncated", "latency", "cost", "quality")
"""Why a record is rejected; the first that applies is counted."""

_OPTIONAL: Final = ("latency_ms", "cost_usd", "tokens")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one record.

    Attributes:
        reason: None when it passes, else one of REASONS.
        quality: the score, 0 to 1.
        unknown: the optional fields that are missing.
    """

    reason: str | None
    quality: float
    unknown: tuple[str, ...]


class Filter:
    """Judges records by the thresholds of their signature."""

    def __init__(self, filters: Filters) -> None:
        self._filters = filters
        self._by_signature: dict[str, Thresholds] = {name: filters.for_signature(name) for name in filters.signatures}

    def judge(self, record: Interaction, output: Mapping[str, Any]) -> Verdict:
        """Return the verdict on a record with capture level full."""
        thresholds = self._by_signature.get(record["signature"], self._filters.default)
        quality = SCORERS[thresholds.scorer](record, output)
        unknown = tuple(name for name in _OPTIONAL if record[name] is None)
        if record["environment"] not in self._filters.environments:  # a test's traffic must not train production
            return Verdict("environment", quality, unknown)
        return Verdict(_reason(record, quality, thresholds), quality, unknown)

    def judge_all(self, records: pl.DataFrame, outputs: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        """Return `reason` (null: it passes) and `quality` of each record with capture level full.

        Args:
            records: FRAME_SCHEMA.
            outputs: their parsed outputs.
        """
        limit = self._limits(records["signature"].unique().to_list())
        quality = score_frame(records, outputs, limit(lambda thresholds: thresholds.scorer, pl.String()))
        column = pl.col
        return records.select(
            pl.when(~column("environment").is_in(self._filters.environments))
            .then(pl.lit("environment"))
            .when(limit(lambda thresholds: thresholds.require_success, pl.Boolean()) & ~column("success"))
            .then(pl.lit("failed"))
            .when(column("truncated"))
            .then(pl.lit("truncated"))
            .when(column("latency_ms") > limit(lambda thresholds: thresholds.max_latency_ms, pl.Float64()))
            .then(pl.lit("latency"))
            .when(column("cost_usd") > limit(lambda thresholds: thresholds.max_cost_usd, pl.Float64()))
            .then(pl.lit("cost"))
            .when(pl.lit(quality) < limit(lambda thresholds: thresholds.min_quality_score, pl.Float64()))
            .then(pl.lit("quality"))
            .alias("reason"),
            quality,
        )

    def _limits(self, signatures: Sequence[str]) -> Callable[[Callable[[Thresholds], Any], pl.DataType], pl.Expr]:
        """Return what makes a threshold an expression: one value, or one for each signature."""
        own = {name: self._by_signature[name] for name in signatures if name in self._by_signature}

        def limit(read: Callable[[Thresholds], Any], kind: pl.DataType) -> pl.Expr:
            default = pl.lit(read(self._filters.default), kind)
            if not own:
                return default
            values = pl.Series([read(thresholds) for thresholds in own.values()], dtype=kind, strict=False)
            return pl.col("signature").replace_strict(list(own), values, default=default, return_dtype=kind)

        return limit


def _reason(record: Interaction, quality: float, thresholds: Thresholds) -> str | None:
    if thresholds.require_success and not record["success"]:
        return "failed"
    if record["truncated"]:
        return "truncated"  # an example with half of its input would teach the wrong thing
    if record["latency_ms"] is not None and record["latency_ms"] > thresholds.max_latency_ms:
        return "latency"
    if record["cost_usd"] is not None and record["cost_usd"] > thresholds.max_cost_usd:
        return "cost"
    if quality < thresholds.min_quality_score:
        return "quality"
    return None
