"""What people are told of a step that is done, a few lines each."""

from collections.abc import Sequence
from functools import singledispatch

from headrace_consumers.cycle.artefacts import (
    Artefact,
    Baseline,
    Collected,
    CutMade,
    CycleStep,
    Decided,
    Gated,
    Optimized,
    RolledOut,
)

__all__ = ["narrated", "next_step"]


def next_step(done: Sequence[Artefact]) -> CycleStep | None:
    """Return the step that follows those that are done, in their order; None: all are."""
    if not done:
        return CycleStep.COLLECT
    last = done[-1]
    if isinstance(last, Baseline) and last.refused is not None:
        return CycleStep.DECIDE  # nothing that a search could find would be shipped
    following = list(CycleStep)[list(CycleStep).index(last.step) + 1 :]
    return following[0] if following else None


@singledispatch
def narrated(found: Artefact) -> list[str]:
    """Return what is told of an artefact."""
    raise TypeError(type(found).__name__)


@narrated.register
def _(found: Collected) -> list[str]:
    parts = [
        f"{name} {each.found:,}" + (f" ({each.added:,} new, {each.lm_calls:,} LM calls)" if each.added else "")
        for name, each in found.sources.items()
    ]
    return [f"collected: {', '.join(parts)}"]


@narrated.register
def _(found: Gated) -> list[str]:
    failed = [each.gate for each in found.verdicts if not each.is_passed]
    taken = sum(found.set_aside.values())
    return [
        f"gates: {found.examples:,} examples stand, {taken:,} set aside"
        + (f"; not passed: {', '.join(failed)}" if failed else "")
    ]


@narrated.register
def _(found: CutMade) -> list[str]:
    splits = ", ".join(f"{name} {count:,}" for name, count in found.examples.items())
    return [f"cut {found.version}: {splits}; telemetry's share by provenance {found.telemetry_share:.0%}"]


@narrated.register
def _(found: Baseline) -> list[str]:
    score = "no test example" if found.score is None else f"{found.score:.3f} on {len(found.scores):,} test examples"
    of = ""
    if found.served is not None and found.served.fits:
        served = "the code as it is deployed" if found.served.digest is None else found.served.version
        of = f", of {served}, which is served"
    return [f"baseline: {score} by the metric {found.metric}{of}; {_cost(found)}"]


@narrated.register
def _(found: Optimized) -> list[str]:
    tested = "no candidate" if found.comparison is None else f"{found.comparison.candidate:.3f} on the test"
    return [
        f"{found.optimizer}: {len(found.trials):,} evaluations, {tested}; {_cost(found)}"
        + (f"; {found.file}" if found.file else "")
    ]


@narrated.register
def _(found: Decided) -> list[str]:
    return [found.reason]


@narrated.register
def _(found: RolledOut) -> list[str]:
    if found.rollout_id is not None:
        return [f"rollout {found.rollout_id} was started; headrace rollout status tells how it goes"]
    if found.registered is not None:
        return [f"registered as {found.registered[:12]}; no rollout was started"]
    return ["nothing is rolled out"]


def _cost(found: Baseline | Optimized) -> str:
    told = f"{found.lm_calls:,} LM calls" + (f", ${found.cost_usd:.4f}" if found.cost_usd else "")
    return told + (f", {found.unpriced_calls:,} of them without a known price" if found.unpriced_calls else "")
