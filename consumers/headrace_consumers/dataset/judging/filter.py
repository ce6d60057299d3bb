"""Which readable records become examples: environment; success, latency, cost, quality, each per signature.

A value equal to a threshold passes. A value that is unknown passes too, and is counted. `judge` says it for one record;
`judge_all` says the same for the records of a frame at once. Callables of the user's own come last: they are asked only
about records that pass all else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace.config import Filters, Thresholds
from headrace_consumers.dataset.judging.own import BUILT_IN, Own, own_of
from headrace_consumers.dataset.judging.quality import SCORERS, score_fields, score_frame
from headrace_schemas import Interaction

__all__ = ["REASONS", "Filter", "Verdict"]

REASONS: Final = ("suppressed", "environment", "failed", "truncated", "latency", "cost", "quality")
"""Why a record is rejected; the first that applies is counted. A filter of the user's own is a reason by its name."""

_OPTIONAL: Final = ("latency_ms", "cost_usd", "tokens")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one record.

    Attributes:
        reason: None when it passes, else one of REASONS or the name of a filter of the user's own.
        quality: the score, 0 to 1.
        unknown: the optional fields that are missing.
    """

    reason: str | None
    quality: float
    unknown: tuple[str, ...]


class Filter:
    """Judges records by the thresholds of their signature.

    Args:
        filters: the configuration.

    Raises:
        ConfigError: a callable of the user's own cannot be imported or called.
    """

    def __init__(self, filters: Filters) -> None:
        self._filters = filters
        self._own, self._own_by_signature = own_of(filters)
        self._by_signature: dict[str, Thresholds] = {name: filters.for_signature(name) for name in filters.signatures}

    def judge(self, record: Interaction, output: Mapping[str, Any]) -> Verdict:
        """Return the verdict on a record with capture level full.

        Raises:
            OwnCallableError: a callable of the user's own failed.
        """
        thresholds = self._by_signature.get(record["signature"], self._filters.default)
        own = self._own_of(record["signature"])
        quality = SCORERS.get(thresholds.scorer, score_fields)(record, output)
        unknown = tuple(name for name in _OPTIONAL if record[name] is None)
        if record["environment"] not in self._filters.environments:  # a test's traffic must not train production
            return Verdict("environment", quality, unknown)
        reason = _reason(record, None if own.scores else quality, thresholds)
        if reason is None and own:
            reason, quality = own.judge(record, quality)
        return Verdict(reason, quality, unknown)

    def judge_all(
        self, records: pl.DataFrame, filled: npt.NDArray[np.float64], suppressed: pl.Series | None = None
    ) -> pl.DataFrame:
        """Return `reason` (null: it passes) and `quality` of each record; those of an outcome mean nothing.

        Args:
            records: FRAME_SCHEMA.
            filled: shape (n,), `filled_share` of their outputs.
            suppressed: which of them are of somebody who was erased; None: none.

        Raises:
            OwnCallableError: a callable of the user's own failed.
        """
        signatures = records["signature"].unique().to_list()
        limit = self._limits(signatures)
        quality = score_frame(records, filled, limit(lambda thresholds: thresholds.scorer, pl.String()))
        column = pl.col
        verdicts = records.select(
            pl.when(pl.lit(value=False) if suppressed is None else suppressed)
            .then(pl.lit("suppressed"))
            .when(~column("environment").is_in(self._filters.environments))
            .then(pl.lit("environment"))
            .when(limit(lambda thresholds: thresholds.require_success, pl.Boolean()) & ~column("success"))
            .then(pl.lit("failed"))
            .when(column("truncated"))
            .then(pl.lit("truncated"))
            .when(column("latency_ms") > limit(lambda thresholds: thresholds.max_latency_ms, pl.Float64()))
            .then(pl.lit("latency"))
            .when(column("cost_usd") > limit(lambda thresholds: thresholds.max_cost_usd, pl.Float64()))
            .then(pl.lit("cost"))
            .when(pl.lit(quality) < limit(_min_built_in_quality, pl.Float64()))
            .then(pl.lit("quality"))
            .alias("reason"),
            quality,
        )
        own = [signature for signature in signatures if self._own_of(signature)]
        return self._with_own(records, verdicts, own) if own else verdicts

    def _with_own(self, records: pl.DataFrame, verdicts: pl.DataFrame, signatures: Sequence[str]) -> pl.DataFrame:
        """Return the verdicts with those of the user's own callables on what passes so far."""
        is_asked = verdicts["reason"].is_null() & (records["capture_level"] == "full")
        is_asked &= records["signature"].is_in(signatures)
        at = is_asked.arg_true()
        found = [
            self._own_of(record["signature"]).judge(record, quality)
            for record, quality in zip(
                records[at].iter_rows(named=True), verdicts["quality"][at].to_list(), strict=True
            )
        ]
        reasons = pl.Series([reason for reason, _ in found], dtype=pl.String)
        qualities = pl.Series([quality for _, quality in found], dtype=pl.Float64)
        return verdicts.with_columns(
            verdicts["reason"].scatter(at, reasons), verdicts["quality"].scatter(at, qualities)
        )

    def _own_of(self, signature: str) -> Own:
        return self._own_by_signature.get(signature, self._own)

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


def _min_built_in_quality(thresholds: Thresholds) -> float:
    """Return the least score of a built-in scorer; the user's own are asked later."""
    return thresholds.min_quality_score if thresholds.scorer in BUILT_IN else 0.0


def _reason(record: Interaction, quality: float | None, thresholds: Thresholds) -> str | None:
    if thresholds.require_success and not record["success"]:
        return "failed"
    if record["truncated"]:
        return "truncated"  # an example with half of its input would teach the wrong thing
    if record["latency_ms"] is not None and record["latency_ms"] > thresholds.max_latency_ms:
        return "latency"
    if record["cost_usd"] is not None and record["cost_usd"] > thresholds.max_cost_usd:
        return "cost"
    if quality is not None and quality < thresholds.min_quality_score:
        return "quality"
    return None
