"""What a worker does: look for examples, measure the baseline, optimize and test what was found."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from headrace.errors import UsageError
from headrace_consumers.cycle.artefacts import SourceFound
from headrace_consumers.cycle.bench import Bench, bench_of, configured_lm
from headrace_consumers.cycle.collecting import in_pool, made_up, mined
from headrace_consumers.cycle.ending import End, Ending
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.evaluating import Evaluated, Evaluations, evaluated, recorder
from headrace_consumers.cycle.job import Channel, Job
from headrace_consumers.cycle.lms import has_lm, model_of
from headrace_consumers.cycle.metric import GuardedMetric
from headrace_consumers.cycle.optimizers import Materials, prepared
from headrace_consumers.cycle.spending import Budget, Spending, meter

__all__ = ["TASKS"]

_TOLD_EVERY: Final = 10
_BUDGETS: Final = {"lm_calls": "optimization.max_lm_calls", "cost": "optimization.max_cost_usd"}


def collect(job: Job, channel: Channel) -> Any:
    """Look whether everything is there, and make examples of other sources."""
    bench = bench_of(job)
    _look(bench)
    lm = bench.prompt_lm or bench.task_lm

    def tell(source: str, found: int, wanted: int) -> None:
        channel.progress(what=f"{source} examples", done=found, total=wanted)

    def git(calls: int | None) -> SourceFound:
        return mined(bench.config, bench.target, lm, calls, tell)

    def synthetic(calls: int | None) -> SourceFound:
        hashes = {"", *job.fields_hashes}
        return made_up(bench.config, bench.target, lm, calls, fields_hashes=hashes, tell=tell)

    made = {"git": git, "synthetic": synthetic}
    return {source: _within_budget(bench, source, make).model_dump() for source, make in made.items()}


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
            f"{job.signature}: {_BUDGETS[end.stopped]} is reached before the baseline was measured; raise it and start "
            "the run again: what was answered is not asked again"
        )
    found, reads_labels = _result(end)
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
    found, evaluations, stopped = _searched(bench, trainset, valset, channel)
    spent = bench.spent()
    facts = {
        "trials": [trial.model_dump() for trial in evaluations.trials],
        "stopped": stopped,
        "lm_calls": spent[0],
        "cost_usd": spent[1],
    }
    if found is None:
        return {**facts, "program": None, "scores": {}, "failed": 0, "is_changed": False}
    candidate, is_changed = _candidate(bench, found)

    def work(ending: Ending) -> Evaluated:
        # Unbounded: the search has left as many calls as the baseline's test took, and what was found is tested whole.
        spending, metric = bench.spending(Budget(), ending), bench.metric(ending)
        return _tested(bench, found, test, metric=metric, spending=spending, ending=ending, channel=channel)

    scored = _result(phase(work))
    spent = bench.spent()
    return {
        **facts,
        "program": candidate,
        "is_changed": is_changed,
        "scores": scored.scores,
        "failed": scored.failed,
        "lm_calls": spent[0],
        "cost_usd": spent[1],
    }


TASKS: Final[Mapping[str, Callable[[Job, Channel], Any]]] = {
    "collect": collect,
    "baseline": baseline,
    "optimize": optimize,
}


def phase(work: Callable[[Ending], Any]) -> End:
    """Do a part of the work in a thread; return how it ended, by itself or by a thread inside it."""
    import threading

    ending = Ending()

    def run() -> None:
        try:
            ending.finished(work(ending))
        except BaseException as error:  # the main thread raises it
            ending.raised(error)

    threading.Thread(target=run, daemon=True).start()
    return ending.wait()


def _within_budget(bench: Bench, source: str, make: Callable[[int | None], SourceFound]) -> SourceFound:
    """Make examples of a source with what is left of the budget; where it is spent, what was made until then counts."""
    import dspy

    calls, there = bench.spent()[0], in_pool(bench.config, bench.target, source)

    def work(ending: Ending) -> SourceFound:
        most = bench.settings.max_lm_calls
        with dspy.context(**meter(bench.spending(bench.budget, ending))):
            return make(None if most is None else max(0, most - calls))

    end = phase(work)
    if end.stopped is None:
        made: SourceFound = _result(end)
    else:
        found = in_pool(bench.config, bench.target, source)
        wanted = getattr(bench.config.optimization, f"{source}_target")
        ended = f"{_BUDGETS[end.stopped]} is reached"
        made = SourceFound(wanted=wanted, found=found, added=found - there, ended=ended)
    return made.model_copy(update={"lm_calls": bench.spent()[0] - calls})


def _look(bench: Bench) -> None:
    """Find out before anything is spent whether metric, optimizer and LM are there.

    Raises:
        UsageError: one is not.
    """
    if bench.task_lm is None and not has_lm(bench.program):
        raise UsageError(
            "optimization.lm: no LM is configured; name one, e.g. openai/gpt-4o-mini, or call dspy.configure(lm=...) "
            f"where {bench.signature.program} is defined"
        )
    metric = bench.metric(Ending())
    prepared(bench.settings, _materials(bench, metric, [], []))


def _searched(
    bench: Bench, trainset: list[Any], valset: list[Any], channel: Channel
) -> tuple[Any, Evaluations, str | None]:
    """Return the program that was found, None if none was; the evaluations; what of the budget was spent."""
    import dspy

    import headrace

    settings, job = bench.settings, bench.job
    budget = Budget(
        None if settings.max_lm_calls is None else max(0, settings.max_lm_calls - job.reserved_calls),
        None if settings.max_cost_usd is None else max(0.0, settings.max_cost_usd - job.reserved_usd),
    )
    evaluations = Evaluations(len(valset), lambda _: None)

    def work(ending: Ending) -> Any:
        metric = bench.metric(ending)
        optimizer = prepared(settings, _materials(bench, metric, trainset, valset))
        spending = bench.spending(budget, ending)

        def tell(now: Evaluations) -> None:
            channel.progress(
                what="trials",
                done=len(now.trials),
                total=optimizer.evaluations,
                score=now.trials[-1].score,
                is_full=now.trials[-1].is_full,
                best=now.best_score,
                lm_calls=spending.calls,
                cost_usd=spending.cost_usd,
            )

        evaluations.on_trial = tell
        metered = meter(spending)
        metered["callbacks"].append(recorder(evaluations))
        with dspy.context(**metered, **_lm(bench)), headrace.suppress():
            return optimizer.compile(bench.program.deepcopy())

    end = phase(work)
    if end.stopped is not None:
        return evaluations.best, evaluations, end.stopped
    return _result(end), evaluations, None


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

    with dspy.context(**meter(spending), **_lm(bench)), headrace.suppress():
        return evaluated(program, list(test), metric, threads=bench.settings.threads, ending=ending, on_scored=tell)


def _candidate(bench: Bench, found: Any) -> tuple[dict[str, Any], bool]:
    """Return what the program's predictors are told, and whether it is anything else than before."""
    import json

    from headrace.programs import program_of

    job = bench.job
    made = program_of(
        found,
        module=bench.signature.module,
        version=f"optimized_v{job.number}",
        dataset={"signature": job.signature, "version": job.version},
    )
    before = program_of(bench.program, module=made.module, version=made.version, dataset=made.dataset)
    members: dict[str, Any] = json.loads(made.encoded())
    return members, made.encoded() != before.encoded()


def _materials(bench: Bench, metric: GuardedMetric, trainset: list[Any], valset: list[Any]) -> Materials:
    return Materials(
        metric=metric,
        feedback_metric=metric.with_feedback,
        prompt_lm=bench.prompt_lm or _fallback_lm(bench),
        task_lm=bench.task_lm or _fallback_lm(bench),
        trainset=trainset,
        valset=valset,
        log_folder=bench.folder.path / "optimizer",
    )


def _fallback_lm(bench: Bench) -> Any:
    return bench.task_lm or configured_lm() or next((each.lm for each in bench.program.predictors() if each.lm), None)


def _lm(bench: Bench) -> dict[str, Any]:
    return {} if bench.task_lm is None else {"lm": bench.task_lm}


def _result(end: End) -> Any:
    """Return what came of a part of the work.

    Raises:
        CycleError: it failed, in one line.
    """
    if end.error is not None:
        raise end.error
    if end.failure is not None:
        raise CycleError(end.failure)
    return end.result
