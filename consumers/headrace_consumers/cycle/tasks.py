"""What a worker does: look for examples, measure the baseline, optimize and test what was found."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headrace.errors import UsageError
from headrace_consumers.cycle.bench import Bench, bench_of
from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.evaluating import Evaluated, evaluated
from headrace_consumers.cycle.job import Channel, Job
from headrace_consumers.cycle.lms import model_of
from headrace_consumers.cycle.looking import collect
from headrace_consumers.cycle.metric import GuardedMetric
from headrace_consumers.cycle.phases import BUDGETS, phase, result_of
from headrace_consumers.cycle.searching import candidate, searched
from headrace_consumers.cycle.spending import Budget, Spending, meter

__all__ = ["TASKS"]

_TOLD_EVERY: Final = 10


def baseline(job: Job, channel: Channel) -> Any:
    """Measure the program as it is served on the test split."""
    from headrace.programs import program_of

    bench = bench_of(job)
    test = bench.split("test")
    before = bench.spent()

    def work(ending: Ending) -> Any:
        metric = bench.metric(ending)
        spending = bench.spending(bench.budget, ending)
        scored = _tested(bench, bench.program, test, metric=metric, spending=spending, ending=ending, channel=channel)
        return scored, metric.reads_labels

    end = phase(work)
    if end.stopped is not None:
        raise CycleError(
            f"{job.signature}: {BUDGETS[end.stopped]} is reached before the baseline was measured; raise it and start "
            "the run again: what was answered is not asked again"
        )
    found, reads_labels = result_of(end)
    after = bench.spent()
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
        "lm_calls": after[0] - before[0],
        "cost_usd": after[1] - before[1],
    }


def optimize(job: Job, channel: Channel) -> Any:
    """Let the optimizer search, then test what it found."""
    bench = bench_of(job)
    trainset, valset, test = (list(bench.split(name)) for name in ("train", "val", "test"))
    if not trainset or not valset:
        raise UsageError(f"{job.signature} {job.version}: has no example in train or in val; cut a larger version")
    found, evaluations, stopped = searched(bench, trainset, valset, channel)
    spent = bench.spent()
    facts = {
        "trials": [trial.model_dump() for trial in evaluations.trials],
        "stopped": stopped,
        "lm_calls": spent[0],
        "cost_usd": spent[1],
    }
    if found is None:
        return {**facts, "program": None, "scores": {}, "failed": 0, "is_changed": False}
    members, is_changed = candidate(bench, found)

    def work(ending: Ending) -> Evaluated:
        # Unbounded: the search has left as many calls as the baseline's test took, and what was found is tested whole.
        spending, metric = bench.spending(Budget(), ending), bench.metric(ending)
        return _tested(bench, found, test, metric=metric, spending=spending, ending=ending, channel=channel)

    scored = result_of(phase(work))
    spent = bench.spent()
    return {
        **facts,
        "program": members,
        "is_changed": is_changed,
        "scores": scored.scores,
        "failed": scored.failed,
        "lm_calls": spent[0],
        "cost_usd": spent[1],
    }


def _tested(
    bench: Bench,
    program: Any,
    test: list[Any],
    *,
    metric: GuardedMetric,
    spending: Spending,
    ending: Ending,
    channel: Channel,
) -> Evaluated:
    import dspy

    import headrace

    def tell(done: int) -> None:
        if done % _TOLD_EVERY == 0 or done == len(test):
            channel.progress(what="test examples", done=done, total=len(test))

    with dspy.context(**meter(spending), **bench.lm), headrace.suppress():
        return evaluated(program, list(test), metric, threads=bench.settings.threads, ending=ending, on_scored=tell)


TASKS: Final[Mapping[str, Callable[[Job, Channel], Any]]] = {
    "collect": collect,
    "baseline": baseline,
    "optimize": optimize,
}
