"""Why one record is rejected, with the value and the threshold that it missed; pure."""

from headrace.config import Filters
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.records.decode import Decoded

__all__ = ["detail_of"]


def detail_of(reason: str, decoded: Decoded, filters: Filters) -> str:
    """Return what a rejected record missed, without its payload.

    Args:
        reason: as the filter gave it.
        decoded: the record.
        filters: as they are configured now.

    Raises:
        OwnCallableError: a scorer of the user's own failed.
    """
    record = decoded.record
    thresholds = filters.for_signature(record["signature"])
    if reason == "suppressed":
        return "it is of somebody who was erased (headrace erase)"
    if reason == "environment":
        return f"it is of {record['environment']}, filters.environments has {', '.join(filters.environments)}"
    if reason == "failed":
        return f"the call failed: {record['error_type'] or 'no error is named'}"
    if reason == "truncated":
        return "a part of it was cut: telemetry.max_field_bytes"
    if reason == "latency":
        return f"it took {record['latency_ms']:,g} ms, max_latency_ms is {thresholds.max_latency_ms:,g}"
    if reason == "cost":
        return f"it cost {record['cost_usd']:g} USD, max_cost_usd is {thresholds.max_cost_usd:g}"
    if reason == "quality":
        quality = Filter(filters).judge(record, decoded.output).quality
        return f"{thresholds.scorer} gives it {quality:.3g}, min_quality_score is {thresholds.min_quality_score:g}"
    return f"{reason} says no"
