"""Inputs that several sources have: an example that a gate would take does not cost the next best with its inputs.

    of a key, in order --gates that judge each by itself--> those before the first that passes: passed over
    passed over --> the first that was not stands in the place of the one that did; where none passes nothing changes

What was passed over stands in set_aside.jsonl with its gate and what it was by its content, so that a replay asks no
gate, and finds the same where a source has lost lines since.
"""

from dataclasses import replace

import polars as pl

from headrace_consumers.versions.cutting import difficulty
from headrace_consumers.versions.cutting.assembling import (
    CANDIDATE,
    CANDIDATES_OWN,
    Assembled,
    scored,
    with_difficulty,
)
from headrace_consumers.versions.cutting.judging import context_of
from headrace_consumers.versions.cutting.merging import MERGED, SET_ASIDE, set_aside, stands_as
from headrace_consumers.versions.files.examples import EXAMPLES
from headrace_consumers.versions.gates import Gate

__all__ = ["passed_over", "put_back"]


def passed_over(found: Assembled, gates: tuple[Gate, ...]) -> pl.DataFrame:
    """Return what gates would take of examples whose inputs others have, where a later one passes: SET_ASIDE.

    Args:
        found: as it was assembled.
        gates: those that judge each example by itself are asked.
    """
    if found.contested.is_empty():
        return pl.DataFrame(schema=SET_ASIDE)
    judged = found.contested.join(_taken(found, gates), on=["key", "place"], how="left")
    first = judged.filter(pl.col("gate").is_null()).group_by("key").agg(_first=pl.col("place").min())
    over = judged.join(first, on="key").filter(pl.col("place") < pl.col("_first"))
    return set_aside(over, pl.col("gate"), pl.col("reason"), pl.col("content_hash"))


def put_back(found: Assembled, over: pl.DataFrame, scorer: difficulty.Scorer | None = None) -> Assembled:
    """Return it with the next best in the place of what was passed over.

    Args:
        found: as it was assembled.
        over: SET_ASIDE, with `content_hash`.
        scorer: the user's own of difficulty.

    Raises:
        VersionsError: the scorer fails.
    """
    if over.is_empty():
        return found
    contested = found.contested.filter(pl.col("key").is_in(over["key"].unique().to_list()))
    left = contested.join(over, on=["key", "content_hash"], how="anti").sort("key", "place")
    first = left.unique("key", keep="first", maintain_order=True)
    rest = left.join(first, on=["key", "place"], how="anti")
    is_of_them = pl.col("key").is_in(contested["key"].unique().to_list())
    is_told_anew = is_of_them & pl.col("gate").is_in([MERGED, CANDIDATE])
    bounds = found.recipe.difficulty_bounds
    assert bounds is not None  # noqa: S101  # for mypy; assembling has told them
    put = with_difficulty(scored(first, scorer, found.recipe.difficulty_scorer or ""), bounds)
    return replace(
        found,
        examples=pl.concat([found.examples.filter(~is_of_them), put]).sort("key"),
        aside=pl.concat([found.aside.filter(~is_told_anew), over, stands_as(first, rest)]),
    )


def _taken(found: Assembled, gates: tuple[Gate, ...]) -> pl.DataFrame:
    """Return which of the contested a gate would take, by key and place, with gate and reason."""
    rows = found.contested.sort("key", "place").with_columns(example_id=pl.concat_str("key", pl.lit("/"), "place"))
    others = found.examples.filter(~pl.col("key").is_in(rows["key"].unique().to_list()))
    context = replace(context_of(found), beside=pl.concat([others, rows.select(*EXAMPLES)]))
    is_candidate = pl.col("is_candidate") & (pl.col("split") == "test")
    parts = [rows.filter(is_candidate).select("key", "place", gate=pl.lit(CANDIDATE), reason=pl.lit(CANDIDATES_OWN))]
    rows = rows.filter(~is_candidate)
    for gate in gates:
        if gate.is_of_each and not rows.is_empty():
            offenders = gate.judge(rows.select(*EXAMPLES), context).offenders.unique("example_id", keep="first")
            told = rows.select("example_id", "key", "place").join(offenders, on="example_id")
            parts.append(told.select("key", "place", gate=pl.lit(gate.name), reason="reason"))
            rows = rows.join(offenders, on="example_id", how="anti")
    return pl.concat(parts)
