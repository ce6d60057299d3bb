"""Minimum size: a handful of examples teaches and proves nothing."""

from typing import Final

import polars as pl

from headrace_consumers.versions.gates.gate import Context, Gate, Verdict

__all__ = ["MINIMUM_SIZE"]

_NAME: Final = "minimum size"


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    least = context.thresholds.min_examples
    empty = [name for name, share in context.splits if share and not (examples["split"] == name).any()]
    what = f"{len(examples):,} examples, at least {least:,} are wanted"
    if empty:
        what += f"; {', '.join(empty)} has none"
    return Verdict(_NAME, least, len(examples), is_passed=len(examples) >= least and not empty, what=what)


MINIMUM_SIZE: Final = Gate(_NAME, "whole", _judge)
