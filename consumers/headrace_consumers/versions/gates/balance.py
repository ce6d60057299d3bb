"""Source balance: a dataset of one source alone has that source's faults alone."""

from typing import Final

import polars as pl

from headrace_consumers.versions.gates.gate import Context, Gate, Verdict

__all__ = ["SOURCE_BALANCE"]

_NAME: Final = "source balance"


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    most = context.thresholds.max_share_per_source
    if examples.is_empty():
        return Verdict(_NAME, most, None, is_passed=True, what="there is no example")
    counts = examples["source"].value_counts(sort=True).sort("count", "source", descending=[True, False])
    source, count = counts.row(0)
    share = count / len(examples)
    what = f"{share:.0%} of the examples are of {source}, at most {most:.0%} may be of one source"
    return Verdict(_NAME, most, share, is_passed=share <= most, what=what, details={"sources": dict(counts.rows())})


SOURCE_BALANCE: Final = Gate(_NAME, "whole", _judge)
