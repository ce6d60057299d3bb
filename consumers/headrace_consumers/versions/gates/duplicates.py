"""Duplicates across sources: inputs that a call, a commit, an import or a person have given before.

    equal keys          merged while the cut put its sources together; judged here, by what gave way
    equal inputs with different keys    the producers' keys are made with a secret; found here: the best label stays

Which one stands: `cutting/merging.py`, and here alike.
"""

from typing import Final

import polars as pl

from headrace_consumers.versions.gates.gate import MERGED, OFFENDERS, Context, Gate, Verdict
from headrace_consumers.versions.gates.same_inputs import with_shared_inputs
from headrace_schemas.dataset_files import LABELS, SOURCE_ORDER

__all__ = ["DUPLICATES", "NAME"]

NAME: Final = "duplicates across sources"
_FEWEST_SOURCES: Final = 2


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    most = context.thresholds.max_duplicate_share
    found = _of_other_keys(examples)
    merged = context.merged.select(*OFFENDERS)
    count = len(merged) + len(found)
    total = len(examples) + len(merged)
    share = count / total if total else 0.0
    by_source = pl.concat([context.merged["source"], found["source"]]).value_counts().sort("source")
    said = ", ".join(f"{source} {number:,}" for source, number in by_source.rows())
    what = f"{count:,} examples have inputs that a better one has" + (f": {said}" if said else "")
    return Verdict(
        NAME,
        most,
        round(share, 6),
        is_passed=share <= most,
        what=what,
        offenders=found.select(*OFFENDERS),
        merged=merged,
        details={"by_source": dict(by_source.rows())},
    )


def _of_other_keys(examples: pl.DataFrame) -> pl.DataFrame:
    """Return examples of another source than the one that stands with equal inputs: OFFENDERS and `source`."""
    if examples["source"].n_unique() < _FEWEST_SOURCES:  # most often, and then no text has to be looked at
        return pl.DataFrame(schema=MERGED).select("example_id", "reason", "source")
    of_sources = (
        with_shared_inputs(examples, "example_id", "key", "source", "label", "timestamp_ms")
        .filter(pl.col("source").n_unique().over("inputs") > 1)
        .with_columns(
            _label=pl.col("label").replace_strict(LABELS, range(len(LABELS)), return_dtype=pl.Int8),
            _source=pl.col("source").replace_strict(SOURCE_ORDER, range(len(SOURCE_ORDER)), return_dtype=pl.Int8),
        )
        .sort("inputs", "_label", "_source", "timestamp_ms", "key", descending=[False, False, False, True, False])
    )
    stands = pl.concat_str(
        pl.lit("the same inputs stand as "),
        pl.col("label").first().over("inputs"),
        pl.lit(" of "),
        pl.col("source").first().over("inputs"),
    )
    gives_way = pl.col("source") != pl.col("source").first().over("inputs")
    found = of_sources.with_columns(reason=stands, _gives_way=gives_way).filter("_gives_way")
    return found.sort("key").select("example_id", "reason", "source")


DUPLICATES: Final = Gate(NAME, "examples", _judge)
