"""Source balance: a dataset of one source alone has that source's faults alone.

Where no other source gives anything there is nothing to balance, and the targets say how to get others. Whoever has
several is held to the largest share.
"""

from typing import Final

import polars as pl

from headrace_consumers.versions.gates.gate import Context, Gate, Verdict

__all__ = ["SOURCE_BALANCE"]

_NAME: Final = "source balance"


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    most = context.thresholds.max_share_per_source
    if examples.is_empty():
        return Verdict(_NAME, most, None, is_passed=True, is_judged=False, what="there is no example")
    counts = examples["source"].value_counts(sort=True).sort("count", "source", descending=[True, False])
    source, count = counts.row(0)
    share = count / len(examples)
    details = {"sources": dict(counts.rows())}
    if len(counts) == 1 and not context.other_sources.difference({source}):
        what = f"all examples are of {source}, the only source that there is"
        return Verdict(_NAME, most, share, is_passed=True, is_judged=False, what=what, details=details)
    what = f"{share:.0%} of the examples are of {source}, at most {most:.0%} may be of one source"
    return Verdict(_NAME, most, share, is_passed=share <= most, what=what, details=details)


SOURCE_BALANCE: Final = Gate(_NAME, "whole", _judge)
