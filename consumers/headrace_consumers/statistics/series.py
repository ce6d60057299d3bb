"""A statistics record as series: what it says in total, by metric and labels.

The labels are the names in the record; how many are told apart is decided later, in `labels`.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from headrace_consumers.monitoring.catalogue import calls, producers
from headrace_schemas import CallStatistics, Statistics
from headrace_schemas.latency import BOUNDS_S

__all__ = ["LATE", "Key", "Series", "Vector", "is_figure", "ledger_terms", "series_of", "why_unusable"]

Key: TypeAlias = tuple[str, tuple[str, ...]]
"""A metric's name, and the values of its labels."""
Vector: TypeAlias = list[float]
"""A counter's value; or a histogram's counts by bucket, the last without a bound, not cumulative, and then the sum."""
Series: TypeAlias = dict[Key, Vector]

_MOST: Final = 1e15
LATE: Final[Mapping[str, str | None]] = {
    calls.CALLS_TOTAL.name: calls.LATE_CALLS.name,
    calls.CALL_ERRORS.name: calls.LATE_CALL_ERRORS.name,
    calls.TOKENS.name: calls.LATE_TOKENS.name,
    calls.COST.name: calls.LATE_COST.name,
    calls.CALLS_CANCELLED.name: calls.LATE_CALLS_CANCELLED.name,
    calls.CALLS_SAMPLED.name: calls.LATE_CALLS_SAMPLED.name,
    calls.CALL_DURATION.name: None,
    calls.COST_UNKNOWN.name: None,
}
"""Metric -> where its late increases go; None: nowhere. The ledger's are not here: a loss is news at any time."""


def series_of(record: Statistics) -> Series:
    """Return all totals of a record. A rollout's stages are added up: they are no labels."""
    series: Series = {}
    environment = record["environment"]
    for each in record["calls"]:
        for key, vector in _of_calls(each, environment):
            before = series.get(key)
            series[key] = vector if before is None else [one + other for one, other in zip(before, vector, strict=True)]
    series.update(_of_ledger(record))
    return series


def why_unusable(record: Statistics) -> str | None:
    """Return what is wrong with the figures of a record that could be decoded, or None."""
    terms = ledger_terms(record)
    failures = [each["count"] for each in record["program_failures"]]
    if not all(
        map(
            is_figure,
            (record["sequence"] - 1, record["started_at_ms"], record["spool_bytes"], *terms.values(), *failures),
        )
    ):
        return "a count, a time or the sequence is negative or beyond all reason"
    for each in record["calls"]:
        if len(each["latency_counts"]) not in {0, len(BOUNDS_S) + 1}:
            return f"{len(each['latency_counts'])} latency counts instead of {len(BOUNDS_S) + 1}"
        figures = [each["calls"], each["cancelled"], each["latency_s_sum"], *each["latency_counts"]]
        figures += [error["count"] for error in each["errors"]]
        for use in each["usage"]:
            figures += [use["sampled"], use["weight"], use["tokens_input"], use["tokens_output"]]
            figures += [use["cost_usd"], use["unknown_cost"]]
        if not all(map(is_figure, figures)):
            return "a figure is negative, not finite or beyond all reason"
    return None


def is_figure(value: float) -> bool:
    """Tell whether something counted or measured may be so large; one that lies would outweigh all others for good."""
    return 0 <= value <= _MOST


def ledger_terms(record: Statistics) -> dict[str, int]:
    """Return the terms of the loss ledger."""
    return {
        "sampled": record["sampled"],
        "adopted": record["adopted"],
        "delivered": record["delivered"],
        "spooled": record["spooled"],
        "in_flight": record["in_flight"],
        "dropped": sum(each["count"] for each in record["dropped"]),
    }


def _of_calls(each: CallStatistics, environment: str) -> Iterator[tuple[Key, Vector]]:
    names = (each["module_name"], each["module_version"], each["signature"], environment)
    yield (calls.CALLS_TOTAL.name, names), [each["calls"]]
    yield (calls.CALLS_CANCELLED.name, names), [each["cancelled"]]
    yield (calls.CALL_DURATION.name, names), [*(each["latency_counts"] or _NO_COUNTS), each["latency_s_sum"]]
    yield (calls.CALLS_SAMPLED.name, names), [sum(use["sampled"] for use in each["usage"])]
    for error in each["errors"]:
        yield (calls.CALL_ERRORS.name, (*names, error["name"])), [error["count"]]
    for use in each["usage"]:
        model = use["model"]
        yield (calls.TOKENS.name, (*names, model, "input")), [use["tokens_input"]]
        yield (calls.TOKENS.name, (*names, model, "output")), [use["tokens_output"]]
        yield (calls.COST.name, (*names, model)), [use["cost_usd"]]
        yield (calls.COST_UNKNOWN.name, (*names, model)), [use["unknown_cost"]]


def _of_ledger(record: Statistics) -> Iterator[tuple[Key, Vector]]:
    whose = (record["service"], record["environment"])
    yield (producers.RECORDS_SAMPLED.name, whose), [record["sampled"]]
    yield (producers.RECORDS_ADOPTED.name, whose), [record["adopted"]]
    yield (producers.RECORDS_DELIVERED.name, whose), [record["delivered"]]
    for reason in record["dropped"]:
        yield (producers.RECORDS_DROPPED.name, (*whose, reason["name"])), [reason["count"]]
    for reason in record["program_failures"]:
        yield (producers.PROGRAM_FAILURES.name, (*whose, reason["name"])), [reason["count"]]


_NO_COUNTS: Final = [0] * (len(BOUNDS_S) + 1)
