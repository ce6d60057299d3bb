"""Some of many examples, when a number is asked for: stratified, and the same ones from the same examples.

Each difficulty has its share of the number, and inside it each category in proportion, at least one each where there
is room; what a stratum lacks the others give. No source gets more than its largest share while others have any left.
Inside a stratum the least keys are drawn: a key is a hash, so that is by chance, and independent of the split.
"""

from collections.abc import Mapping, Sequence

import polars as pl

__all__ = ["drawn", "stratified"]


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
    slim = examples.select("key", "source", "difficulty", pl.col("category").fill_null("")).with_row_index("_at")
    chosen = stratified(slim, most, difficulties)
    for source, count in sorted(_counts(chosen, "source").items()):
        of_source = slim.filter(pl.col("source") == source)
        others = slim.filter(pl.col("source") != source)
        at_most = max(1, int(max_share_per_source * most), most - len(others))
        if (
            count > at_most
        ):  # there can be but one, unless the share is below a half: then the others fill up as they can
            chosen = pl.concat(
                [
                    stratified(of_source, at_most, difficulties),
                    stratified(others, most - at_most, difficulties),
                ]
            )
            break
    return slim["_at"].is_in(chosen["_at"].to_list())


def stratified(
    slim: pl.DataFrame, most: int, difficulties: Mapping[str, float], best: Sequence[str] = ("key",)
) -> pl.DataFrame:
    """Return so many examples, each difficulty with its share, and each category in proportion.

    Args:
        slim: `key`, `difficulty`, `category` (not null).
        most: so many, or all that there are.
        difficulties: the share of each that is wanted.
        best: columns by which those come first that are taken of a stratum.
    """
    if len(slim) <= most:
        return slim
    parts = [slim.clear()]
    for difficulty, quota in sorted(_apportioned(difficulties, most, _counts(slim, "difficulty")).items()):
        stratum = slim.filter(pl.col("difficulty") == difficulty)
        counts = _counts(stratum, "category")
        for category, size in sorted(_apportioned(counts, quota, counts).items()):
            parts.append(stratum.filter(pl.col("category") == category).sort(*best).head(size))
    return pl.concat(parts)


def _counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(frame[column].value_counts().rows())


def _apportioned(wanted: Mapping[str, float], total: int, there: Mapping[str, int]) -> dict[str, int]:
    """Return how many of each, in proportion to what is wanted, no more than there are, together as many as can be."""
    total = min(total, sum(there.values()))
    found = dict.fromkeys(sorted(there), 1 if total >= len(there) else 0)
    while (left := total - sum(found.values())) > 0:
        # Whoever has not got what is wanted of the whole gets it first; what nobody can give, goes to those who can.
        open_ = {name: wanted.get(name, 0.0) for name in found if found[name] < there[name]}
        whole = sum(open_.values())
        if whole == 0:
            open_, whole = dict.fromkeys(open_, 1.0), float(len(open_))
        room = left + sum(found[name] for name in open_)
        lacks = {name: min(there[name], room * weight / whole) - found[name] for name, weight in open_.items()}
        gets = {name: int(lack) for name, lack in lacks.items() if lack >= 1}
        if not gets:
            name = max(sorted(lacks), key=lambda each: lacks[each])
            gets = {name: 1}
        for name, number in gets.items():
            found[name] += min(number, total - sum(found.values()))
    return found
