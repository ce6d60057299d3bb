"""Frames of examples for gates."""

from typing import Any

import polars as pl

from headrace.config.versions import Difficulties, GateThresholds, SplitShares
from headrace_consumers.versions.files.examples import EXAMPLES
from headrace_consumers.versions.gates import Context, Gate, Verdict
from headrace_schemas import canonical

__all__ = ["example", "frame", "judged"]


def example(
    number: int, inputs: dict[str, Any], outputs: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """Return a row; its key begins with the number."""
    key = f"{number:064x}"
    return {
        "example_id": f"id-{number}",
        "key": key,
        "inputs": canonical.dumps(inputs).decode(),
        "outputs": canonical.dumps({"answer": "yes"} if outputs is None else outputs).decode(),
        "source": "telemetry",
        "label": "unverified",
        "category": None,
        "difficulty": "easy",
        "quality": None,
        "weight": 1.0,
        "times_seen": 1,
        "timestamp_ms": 1,
        "provenance": "{}",
        "split": "train",
        **changes,
    }


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return rows as a frame, sorted by key."""
    return pl.DataFrame(list(rows), schema=EXAMPLES).sort("key")


def judged(gate: Gate, *rows: dict[str, Any], **thresholds: Any) -> Verdict:
    """Return a gate's verdict."""
    context = Context("Answer", "0" * 16, GateThresholds(**thresholds), SplitShares(), Difficulties())
    return gate.judge(frame(*rows), context)
