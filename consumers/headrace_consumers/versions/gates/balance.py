"""Source balance: no source gives more than its largest share, where there are several.

What is too much of a source is set aside: the worst labels first, each difficulty and category in its proportion, then
the greatest keys, which is by chance. Where too few would be left (`min_examples`, or a quarter of all) nothing is,
and the gate is not passed. A dataset of one source has nothing to balance, and the targets say how to get others.
"""

import math
from collections.abc import Mapping
from typing import Final

import polars as pl

from headrace_consumers.versions.cutting.drawing import stratified
from headrace_consumers.versions.gates.gate import OFFENDERS, Context, Gate, Verdict
from headrace_schemas.dataset_files import LABELS

__all__ = ["NAME", "SOURCE_BALANCE", "balanced"]

NAME: Final = "source balance"

_LEAST_LEFT: Final = 0.25
"""Of all examples: a few that were added by hand must not cost nearly all of the others."""


def balanced(counts: Mapping[str, int], most: float) -> dict[str, int]:
    """Return how many of each source can stay, so that none has more than a share of what stays.

    Args:
        counts: of each source.
        most: the share.
    """
    found = dict(counts)
    while over := [source for source, count in found.items() if count > most * sum(found.values())]:
        for source in over:
            others = sum(found.values()) - found[source]
            fits = int(most * others / (1 - most)) + 1
            while fits > most * (others + fits):
                fits -= 1
            found[source] = min(found[source], fits)
    return found


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    most = context.thresholds.max_share_per_source
    if examples.is_empty():
        return Verdict(NAME, most, None, is_passed=True, is_judged=False, what="there is no example")
    counts = dict(examples["source"].value_counts(sort=True).sort("count", "source", descending=[True, False]).rows())
    source = next(iter(counts))
    share = counts[source] / len(examples)
    details = {"sources": counts}
    if len(counts) == 1 and not context.other_sources.difference({source}):
        what = f"all examples are of {source}, the only source that there is"
        return Verdict(NAME, most, share, is_passed=True, is_judged=False, what=what, details=details)
    what = f"{share:.0%} of the examples are of {source}, at most {most:.0%} may be of one source"
    if share <= most:
        return Verdict(NAME, most, share, is_passed=True, what=what, details=details)
    stay = balanced(counts, most)
    left = sum(stay.values())
    least = max(context.thresholds.min_examples, 1, math.ceil(_LEAST_LEFT * len(examples)))
    if left < least:
        what += f"; nothing is set aside for it, as {left:,} would be left and at least {least:,} are wanted"
        return Verdict(NAME, most, share, is_passed=False, what=what, details=details)
    offenders = _too_much(examples, stay, context)
    what += f": {len(offenders):,} are set aside; max_share_per_source 1 keeps them"
    return Verdict(NAME, most, share, is_passed=False, what=what, offenders=offenders, details=details)


def _too_much(examples: pl.DataFrame, stay: Mapping[str, int], context: Context) -> pl.DataFrame:
    """Return what of each source is beyond its number, as OFFENDERS."""
    ranks = {label: rank for rank, label in enumerate(LABELS)}
    difficulties = context.difficulties.model_dump()
    most = context.thresholds.max_share_per_source
    slim = examples.select(
        "example_id",
        "key",
        "source",
        "difficulty",
        pl.col("category").fill_null(""),
        _rank=pl.col("label").replace_strict(ranks, return_dtype=pl.Int8),
    )
    parts = [pl.DataFrame(schema=OFFENDERS)]
    for source, number in sorted(stay.items()):
        of_source = slim.filter(pl.col("source") == source)
        if len(of_source) > number:
            kept = stratified(of_source, number, difficulties, best=("_rank", "key"))
            rest = of_source.join(kept.select("key"), on="key", how="anti").sort("key")
            reason = pl.lit(f"more than {most:.0%} would be of {source}")
            parts.append(rest.select("example_id", reason=reason))
    return pl.concat(parts)


SOURCE_BALANCE: Final = Gate(NAME, "examples", _judge)
