"""Leakage: the same inputs in two splits, or inputs in test that are in train, whatever their keys.

One key has one split; but keys may be made over some of the inputs, or with another spelling: here the inputs count.
"""

from typing import Final

import polars as pl

from headrace_consumers.versions.gates.gate import OFFENDERS, Context, Gate, Verdict
from headrace_consumers.versions.gates.same_inputs import with_shared_inputs

__all__ = ["LEAKAGE"]

_NAME: Final = "leakage"
_ORDER: Final = {"test": 0, "val": 1, "train": 2}
"""What is in test stays there: it is the smallest, and what is learnt from can do without."""


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    del context
    shared = (
        with_shared_inputs(examples, "example_id", "key", "split")
        .with_columns(_order=pl.col("split").replace_strict(_ORDER, return_dtype=pl.Int8))
        .sort("inputs", "_order", "key")
        .with_columns(_stands=pl.col("split").first().over("inputs"))
        .filter(pl.col("split") != pl.col("_stands"))
        .sort("key")
    )
    offenders = shared.select(
        "example_id", pl.concat_str(pl.lit("the same inputs are in "), pl.col("_stands")).alias("reason")
    ).cast(OFFENDERS)  # type: ignore[arg-type]
    what = f"{len(offenders):,} examples have inputs that another split has"
    return Verdict(_NAME, 0, len(offenders), is_passed=offenders.is_empty(), what=what, offenders=offenders)


LEAKAGE: Final = Gate(_NAME, "examples", _judge)
