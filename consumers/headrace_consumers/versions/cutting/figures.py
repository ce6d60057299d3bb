"""What a version holds, counted: metadata.json, for people and for the loader's minimum of labels."""

from typing import Any

import polars as pl

from headrace_schemas.dataset_files import LABELS, SPLITS, Split
from headrace_schemas.dataset_manifest import SplitFigures

__all__ = ["label_shares", "set_aside_counts", "split_figures"]


def split_figures(examples: pl.DataFrame) -> dict[Split, SplitFigures]:
    """Return the counts of each split."""
    found: dict[Split, SplitFigures] = {}
    for split in SPLITS:
        some = examples.filter(pl.col("split") == split)
        found[split] = SplitFigures(
            examples=len(some),
            sources=_counts(some["source"]),
            labels=_counts(some["label"]),
            difficulties=_counts(some["difficulty"]),
            categories=_counts(some["category"].fill_null("")),
        )
    return found


def label_shares(figures: dict[Split, SplitFigures]) -> dict[Split, dict[str, float]]:
    """Return the share of each label in each split, those that are not there as 0."""
    return {
        split: {
            label: round(each["labels"].get(label, 0) / each["examples"], 6) if each["examples"] else 0.0
            for label in LABELS
        }
        for split, each in figures.items()
    }


def set_aside_counts(aside: pl.DataFrame) -> dict[str, int]:
    """Return how many each gate took out, the most first."""
    counted = aside["gate"].value_counts().sort("count", "gate", descending=[True, False])
    return dict(counted.iter_rows())


def _counts(column: pl.Series) -> dict[str, Any]:
    return dict(column.value_counts().sort(column.name).iter_rows())
