"""What a worker does: look for examples, measure the baseline, optimize and test what was found."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headrace.errors import UsageError
from headrace_consumers.cycle.bench import Bench, bench_of
from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.evaluating import Evaluated, evaluated
from headrace_consumers.cycle.finding import keep, kept, loaded
from headrace_consumers.cycle.job import Channel, Job
from headrace_consumers.cycle.lms import model_of
from headrace_consumers.cycle.looking import collect
from headrace_consumers.cycle.metering import meter
from headrace_consumers.cycle.phases import BUDGETS, phase, result_of
from headrace_consumers.cycle.searching import searched
from headrace_consumers.cycle.spending import Taken

__all__ = ["TASKS"]

_TOLD_EVERY: Final = 10


def baseline(job: Job, channel: Channel) -> Any:
    """Measure the program as it is served on the test split."""
    from headrace.programs import program_of

    bench = bench_of(job)
    test = bench.split("test")
    found, reads_labels, taken = _tested(bench, bench.program, test, channel, "the baseline was measured")
    hashes = program_of(bench.program, module=bench.signature.module, version="baseline").predictors
    return {
        "misfit": bench.misfit,
        "model": model_of(bench.settings, bench.program),
        "signature_hashes": {path: each.signature_hash for path, each in hashes.items()},
        "scores": found.scores,
        "score": found.mean,
        "failed": found.failed,
        "reads_labels": reads_labels,
        "unverified_share": test.labels["unverified"] / len(test) if test else 0.0,
        "lm_calls": taken.calls,
        "cost_usd": taken.cost_usd,
        "unpriced_calls": taken.unpriced,
    }


def optimize(job: Job, channel: Channel) -> Any:
    """Let the optimizer search, then test what it found."""
    bench = bench_of(job)
    splits = {name: list(bench.split(name)) for name in ("train", "val", "test")}
    if not splits["train"] or not splits["val"]:
        raise UsageError(f"{job.signature} {job.version}: has no example in train or in val; cut a larger version")
    finding = kept(bench)
    if finding is None:
        finding = searched(bench, splits, channel)
        keep(bench, finding)
    scored = Evaluated({}, 0)
    if finding.program is not None:
        program = loaded(bench, finding.program)
        scored, _, _ = _tested(bench, program, splits["test"], channel, "the candidate was tested to its end")
    spent = bench.spent()
    return {
        **finding.model_dump(exclude={"asked"}),
        "scores": scored.scores,
        "failed": scored.failed,
        "lm_calls": spent.calls,
        "cost_usd": spent.cost_usd,
        "unpriced_calls": spent.unpriced,
    }


def _tested(bench: Bench, program: Any, test: list[Any], channel: Channel, what: str) -> tuple[Evaluated, bool, Taken]:
    """Return a program's scores on the test split, whether the metric read its labels, and what the task has taken.

    Raises:
        CycleError: the budget is reached before `what`, or the LM or the metric fails.
    """
    import dspy

    import headrace

    def tell(done: int) -> None:
        if done % _TOLD_EVERY == 0 or done == len(test):
            channel.progress(what="test examples", done=done, total=len(test))

    def work(ending: Ending) -> tuple[Evaluated, bool, Taken]:
        metric, spending = bench.metric(ending), bench.spending(bench.budget, ending)
        threads = bench.settings.threads
        with dspy.context(**meter(spending), **bench.lm), headrace.suppress():
            scored = evaluated(program, list(test), metric, threads=threads, ending=ending, on_scored=tell)
        return scored, metric.reads_labels, spending.of_task

    end = phase(work)
    if end.stopped is not None:
        raise CycleError(
            f"{BUDGETS[end.stopped]} is reached before {what}; raise it and start the run again: what was answered is "
            "not asked again"
        )
    tested: tuple[Evaluated, bool, Taken] = result_of(end)
    return tested


TASKS: Final[Mapping[str, Callable[[Job, Channel], Any]]] = {
    "collect": collect,
    "baseline": baseline,
    "optimize": optimize,
}
