"""Some of many examples, when a number is asked for: stratified, and the same ones from the same examples.

Each difficulty has its share of the number, and inside it each category one in proportion, at least one each; what a
stratum lacks the others give. No source gets more than its largest share while others have any left. Inside a stratum
the least keys are drawn: a key is a hash, so that is by chance, and independent of the split.
"""

from collections.abc import Mapping

import polars as pl

__all__ = ["drawn"]


def drawn(
    examples: pl.DataFrame, most: int, difficulties: Mapping[str, float], max_share_per_source: float
) -> pl.Series:
    """Return which examples are drawn, booleans.

    Args:
        examples: `key`, `source`, `difficulty`, `category`.
        most: so many, or all that there are.
        difficulties: the share of each that is wanted.
        max_share_per_source: of the number.
    """
    if len(examples) <= most:
        return pl.Series([True] * len(examples), dtype=pl.Boolean)
    slim = examples.select("key", "source", "difficulty", pl.col("category").fill_null("")).with_row_index("_at")
    allowed = _within_sources(slim, most, max_share_per_source)
    chosen: list[int] = []
    quotas = _apportioned(
        {name: share for name, share in difficulties.items() if share}, most, _counts(allowed, "difficulty")
    )
    for difficulty, quota in sorted(quotas.items()):
        stratum = allowed.filter(pl.col("difficulty") == difficulty)
        counts = _counts(stratum, "category")
        for category, size in _apportioned(
            {name: float(count) for name, count in counts.items()}, quota, counts
        ).items():
            chosen += stratum.filter(pl.col("category") == category).sort("key").head(size)["_at"].to_list()
    return slim["_at"].is_in(chosen)


def _within_sources(slim: pl.DataFrame, most: int, max_share: float) -> pl.DataFrame:
    """Return the examples without those that would give a source more than its share, if the others can fill up."""
    counts = _counts(slim, "source")
    source, count = max(counts.items(), key=lambda item: (item[1], item[0]))
    cap = max(int(max_share * most), most - (len(slim) - count))
    if count <= cap:
        return slim
    kept = slim.filter(pl.col("source") == source).sort("key").head(cap)
    return pl.concat([slim.filter(pl.col("source") != source), kept])


def _counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(frame[column].value_counts().rows())


def _apportioned(wanted: Mapping[str, float], total: int, there: Mapping[str, int]) -> dict[str, int]:
    """Return how many of each, in proportion to what is wanted, no more than there are, together as many as can be."""
    total = min(total, sum(there.values()))
    found = dict.fromkeys(there, 0)
    if total >= len(there):  # none is left out
        found = dict.fromkeys(there, 1)
    open_: dict[str, float] = {name: wanted.get(name, 0.0) for name in there}
    while (left := total - sum(found.values())) > 0:
        open_ = {name: weight for name, weight in open_.items() if found[name] < there[name]}
        if not any(open_.values()):
            open_ = dict.fromkeys(open_, 1.0)
        whole = sum(open_.values())
        aims = {name: min(there[name], found[name] + int(left * weight / whole)) for name, weight in open_.items()}
        if all(aims[name] == found[name] for name in aims):  # less than one each: the largest remainders first
            by_remainder = sorted(open_, key=lambda name: (-open_[name], name))
            for name in by_remainder[:left]:
                found[name] += 1
            continue
        found |= aims
    return found
