"""What the gates leave of what was assembled, and of that so many examples as are wanted.

gates of examples, each without what one before it took -> drawn -> gates of the whole
"""

from dataclasses import replace

import polars as pl

from headrace_consumers.versions.cutting.assembling import Assembled
from headrace_consumers.versions.cutting.drawing import drawn
from headrace_consumers.versions.cutting.merging import MERGED, set_aside
from headrace_consumers.versions.gates import GATES, Context, Gate, Verdict
from headrace_consumers.versions.gates.gate import OFFENDERS

__all__ = ["context_of", "judged"]


def judged(found: Assembled, gates: tuple[Gate, ...] = GATES) -> Assembled:
    """Return what the gates and the number of examples that is wanted leave of it, with the verdicts.

    Pure but for what a gate of the user's own does.
    """
    recipe = found.recipe
    context = context_of(found)
    examples, asides, verdicts = found.examples, [found.aside], list(found.verdicts)
    for gate in gates:
        if gate.judges == "examples":
            examples = _past(gate, examples, context, asides, verdicts)
    if recipe.most is not None:
        is_drawn = drawn(
            examples, recipe.most, recipe.difficulties.model_dump(), recipe.thresholds.max_share_per_source
        )
        examples = examples.filter(is_drawn)
    verdicts += [gate.judge(examples, context) for gate in gates if gate.judges == "whole"]
    return replace(found, examples=examples, aside=pl.concat(asides), verdicts=verdicts)


def context_of(found: Assembled) -> Context:
    """Return what gates may know beside the examples."""
    recipe = found.recipe
    return Context(
        recipe.signature,
        recipe.fields_hash,
        recipe.thresholds,
        recipe.splits,
        recipe.difficulties,
        merged=found.aside.filter(pl.col("gate") == MERGED).sort("key", "source", "reason"),
        passed_over=found.aside.filter(pl.col("content_hash").is_not_null()).sort("key", "source", "reason"),
        other_sources=frozenset(found.waiting.read),
    )


def _past(
    gate: Gate, examples: pl.DataFrame, context: Context, asides: list[pl.DataFrame], verdicts: list[Verdict]
) -> pl.DataFrame:
    gave_way = context.passed_over.filter(pl.col("gate") == gate.name)
    verdict = gate.judge(examples, context).with_those_that_gave_way(gave_way.select(*OFFENDERS))
    verdicts.append(verdict)
    if verdict.offenders.is_empty():
        return examples
    offending = examples.select("example_id", "key", "source").join(
        verdict.offenders.unique("example_id", keep="first", maintain_order=True), on="example_id"
    )
    asides.append(set_aside(offending, gate.name, pl.col("reason")))
    return examples.filter(~pl.col("example_id").is_in(verdict.offenders["example_id"].to_list()))
