"""What a worker does: look for examples, measure the baseline, optimize and test what was found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.config import Config
from headrace.config.optimization import Optimization, OptimizedSignature
from headrace.errors import UsageError, require_dspy
from headrace_consumers.cycle.collecting import made_up, mined
from headrace_consumers.cycle.ending import End, Ending
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.evaluating import Evaluated, Evaluations, evaluated, recorder
from headrace_consumers.cycle.job import Channel, Job
from headrace_consumers.cycle.lms import cache_answers, has_lm, model_of, opened_lm
from headrace_consumers.cycle.metric import GuardedMetric, metric_of
from headrace_consumers.cycle.optimizers import Materials, prepared
from headrace_consumers.cycle.program import examples_of, opened_program, target_for, types_for
from headrace_consumers.cycle.run_folder import SignatureFolder
from headrace_consumers.cycle.spending import Budget, Spending, meter
from headrace_consumers.versions.gates.judge import judge_program
from headrace_consumers.versions.sources.target import Target

__all__ = ["TASKS"]

_TOLD_EVERY: Final = 10


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every task has on its bench."""

    job: Job
    config: Config
    signature: OptimizedSignature
    settings: Optimization
    folder: SignatureFolder
    program: Any
    task_lm: Any
    prompt_lm: Any
    target: Target

    def judge(self) -> tuple[Any, Any]:
        judge_lm = opened_lm("optimization.judge_lm", self.settings.judge_lm, self.settings.judge_lm_api_base)
        return judge_program(), judge_lm or self.prompt_lm or self.task_lm or _configured_lm()

    def metric(self, ending: Ending) -> GuardedMetric:
        return metric_of(self.settings, self.target, self.judge, ending)

    def spending(self, budget: Budget, ending: Ending) -> Spending:
        return Spending(self.folder.spent, budget, ending)

    def split(self, name: str) -> Any:
        assert self.job.version is not None  # noqa: S101  # the run tells it
        return examples_of(
            Path(self.config.versions.path),
            self.job.signature,
            self.job.version,
            name,
            types=types_for(self.signature, self.program, _sides(self.job.fields)),
            program=self.program,
        )


def collect(job: Job, channel: Channel) -> Any:
    """Look whether everything is there, and make examples of other sources."""
    bench = _bench(job)
    _look(bench)
    lm = bench.prompt_lm or bench.task_lm
    calls = bench.settings.max_lm_calls

    def tell(source: str, found: int, wanted: int) -> None:
        channel.progress(what=f"{source} examples", done=found, total=wanted)

    git = mined(bench.config, bench.target, lm, calls, tell)
    synthetic = made_up(bench.config, bench.target, lm, calls, fields_hashes={"", *job.fields_hashes}, tell=tell)
    return {"git": git.model_dump(), "synthetic": synthetic.model_dump()}


def baseline(job: Job, channel: Channel) -> Any:
    """Measure the program as it is on the test split."""
    from headrace.programs import program_of

    bench = _bench(job)
    test = bench.split("test")
    before = _spent(bench)

    def work(ending: Ending) -> Any:
        metric = bench.metric(ending)
        return _tested(bench, bench.program, test, metric=metric, ending=ending, channel=channel), metric.reads_labels

    found, reads_labels = _result(phase(work))
    after = _spent(bench)
    hashes = program_of(bench.program, module=bench.signature.module, version="baseline").predictors
    return {
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
    bench = _bench(job)
    trainset, valset, test = (list(bench.split(name)) for name in ("train", "val", "test"))
    if not trainset or not valset:
        raise UsageError(f"{job.signature} {job.version}: has no example in train or in val; cut a larger version")
    found, evaluations, stopped = _searched(bench, trainset, valset, channel)
    spent = _spent(bench)
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
        return _tested(bench, found, test, metric=bench.metric(ending), ending=ending, channel=channel)

    scored = _result(phase(work))
    spent = _spent(bench)
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


def _bench(job: Job) -> _Bench:
    require_dspy()
    config = Config.model_validate_json(_json(job.config))
    signature = config.optimization.signatures[job.signature]
    settings = config.optimization.for_signature(job.signature)
    folder = SignatureFolder(job.signature, Path(job.folder))
    cache_answers(folder.lm_cache)
    program = opened_program(signature.program)
    return _Bench(
        job,
        config,
        signature,
        settings,
        folder,
        program,
        opened_lm("optimization.lm", settings.lm, settings.lm_api_base),
        opened_lm("optimization.prompt_lm", settings.prompt_lm, settings.prompt_lm_api_base),
        target_for(job.signature, signature, program, job.fields),
    )


def _look(bench: _Bench) -> None:
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
    bench: _Bench, trainset: list[Any], valset: list[Any], channel: Channel
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
    bench: _Bench, program: Any, test: list[Any], *, metric: GuardedMetric, ending: Ending, channel: Channel
) -> Evaluated:
    import dspy

    import headrace

    def tell(done: int) -> None:
        if done % _TOLD_EVERY == 0 or done == len(test):
            channel.progress(what="test examples", done=done, total=len(test))

    with dspy.context(**meter(bench.spending(Budget(), ending)), **_lm(bench)), headrace.suppress():
        return evaluated(program, list(test), metric, threads=bench.settings.threads, ending=ending, on_scored=tell)


def _candidate(bench: _Bench, found: Any) -> tuple[dict[str, Any], bool]:
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


def _materials(bench: _Bench, metric: GuardedMetric, trainset: list[Any], valset: list[Any]) -> Materials:
    return Materials(
        metric=metric,
        feedback_metric=metric.with_feedback,
        prompt_lm=bench.prompt_lm or _fallback_lm(bench),
        task_lm=bench.task_lm or _fallback_lm(bench),
        trainset=trainset,
        valset=valset,
        log_folder=bench.folder.path / "optimizer",
    )


def _fallback_lm(bench: _Bench) -> Any:
    return bench.task_lm or _configured_lm() or next((each.lm for each in bench.program.predictors() if each.lm), None)


def _configured_lm() -> Any:
    import dspy

    return dspy.settings.lm


def _lm(bench: _Bench) -> dict[str, Any]:
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


def _spent(bench: _Bench) -> tuple[int, float]:
    spending = bench.spending(Budget(), Ending())
    return spending.calls, spending.cost_usd


def _sides(fields: dict[str, list[str]] | None) -> tuple[list[str], list[str]] | None:
    return None if fields is None else (fields["inputs"], fields["outputs"])


def _json(value: Any) -> str:
    import json

    return json.dumps(value)
