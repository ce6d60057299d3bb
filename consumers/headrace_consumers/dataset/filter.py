"""Which readable records become examples: environment; success, latency, cost, quality, each per signature.

A value equal to a threshold passes. A value that is unknown passes too, and is counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from headrace.config import Filters, Thresholds
from headrace_consumers.dataset.quality import SCORERS
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
