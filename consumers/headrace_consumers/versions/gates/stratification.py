"""Stratification: easy, medium and hard examples in the shares that are wanted, in each split; several categories."""

from typing import Final

import polars as pl

from headrace_consumers.versions.gates.gate import Context, Gate, Verdict
from headrace_schemas.dataset_files import SPLITS

__all__ = ["CATEGORIES", "STRATIFICATION"]

_NAME: Final = "stratification"
_CATEGORIES: Final = "categories"
_ENOUGH: Final = 50
"""Shares of a split of fewer examples are chance; they are told and not judged."""


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    most = context.thresholds.max_difficulty_deviation
    wanted = context.difficulties.model_dump()
    found: dict[str, dict[str, float]] = {}
    worst, where = 0.0, ""
    for split in (None, *SPLITS):
        some = examples if split is None else examples.filter(pl.col("split") == split)
        if some.is_empty():
            continue
        counts = dict(some["difficulty"].value_counts().rows())
        shares = {name: counts.get(name, 0) / len(some) for name in wanted}
        found[split or "all"] = shares
        if split is not None and len(some) < _ENOUGH:
            continue
        for name, share in shares.items():
            if abs(share - wanted[name]) > worst:
                worst, where = abs(share - wanted[name]), f"{share:.0%} {name} in {split or 'all'}"
    aim = "/".join(f"{share:.0%}" for share in wanted.values())
    what = f"difficulties within {worst:.0%} of {aim}, {most:.0%} is allowed" + (f" (most: {where})" if where else "")
    return Verdict(_NAME, most, round(worst, 6), is_passed=worst <= most + 1e-9, what=what, details={"shares": found})


def _judge_categories(examples: pl.DataFrame, context: Context) -> Verdict:
    least = context.thresholds.min_categories
    counts = examples["category"].drop_nulls().value_counts().sort("category")
    if counts.is_empty():
        return Verdict(_CATEGORIES, least, None, is_passed=True, is_judged=False, what="no example has a category")
    what = f"{len(counts)} categories, at least {least} are wanted"
    return Verdict(
        _CATEGORIES, least, len(counts), is_passed=len(counts) >= least, what=what, details=dict(counts.rows())
    )


STRATIFICATION: Final = Gate(_NAME, "whole", _judge)
CATEGORIES: Final = Gate(_CATEGORIES, "whole", _judge_categories)
