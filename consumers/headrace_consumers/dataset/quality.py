"""Scorers: how good a record's output is, from 0 to 1. Plain callables over the record and its parsed output."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from headrace_schemas import Interaction

__all__ = ["SCORERS", "UNENCODABLE_PREFIX", "Scorer", "score_fields", "score_legacy"]

Scorer: TypeAlias = Callable[[Interaction, Mapping[str, Any]], float]

UNENCODABLE_PREFIX: Final = "<unencodable "
"""How the producer marks a value that has no JSON form."""


def score_fields(record: Interaction, output: Mapping[str, Any]) -> float:
    """Return the share of output fields that are there, not empty and readable; 0 where there is no field.

    A declared field that the program did not fill is null in the record. A short answer loses nothing.
    """
    del record
    if not output:
        return 0.0
    return sum(_is_filled(value) for value in output.values()) / len(output)


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


def _is_filled(value: Any) -> bool:
    if value is None or value in ([], {}):
        return False
    return not (isinstance(value, str) and (not value.strip() or value.startswith(UNENCODABLE_PREFIX)))
