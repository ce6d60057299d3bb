"""What a worker has on its bench: the user's program as it is served, its LMs, the dataset, the budget."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.config import Config
from headrace.config.optimization import Optimization, OptimizedSignature
from headrace.errors import require_dspy
from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.job import Job
from headrace_consumers.cycle.lms import cache_answers, opened_lm
from headrace_consumers.cycle.metric import GuardedMetric, metric_of
from headrace_consumers.cycle.optimizers import Materials
from headrace_consumers.cycle.program import examples_of, opened_program, target_for, types_for
from headrace_consumers.cycle.run_folder import SignatureFolder
from headrace_consumers.cycle.spending import Budget, Spending, Taken
from headrace_consumers.versions.gates.judge import judge_program
from headrace_consumers.versions.sources.target import Target
from headrace_schemas.programs import Program, ProgramError

__all__ = ["Bench", "bench_of", "configured_lm"]

_MISFITS: Final = frozenset({"signature_changed", "unknown_predictor"})


@dataclass(frozen=True, slots=True)
class Bench:
    """What every task has on its bench.

    Attributes:
        program: as it is served, see `misfit`.
        misfit: why the version that is served does not fit the program, which is then as deployed; None: it does.
    """

    job: Job
    config: Config
    signature: OptimizedSignature
    settings: Optimization
    folder: SignatureFolder
    program: Any
    task_lm: Any
    prompt_lm: Any
    target: Target
    misfit: str | None

    @property
    def budget(self) -> Budget:
        """What may be spent on the signature in this run."""
        return Budget(self.settings.max_lm_calls, self.settings.max_cost_usd)

    def judge(self) -> tuple[Any, Any]:
        """Return the judge's program and its LM."""
        judge_lm = opened_lm("optimization.judge_lm", self.settings.judge_lm, self.settings.judge_lm_api_base)
        return judge_program(), judge_lm or self.prompt_lm or self.task_lm or configured_lm()

    def metric(self, ending: Ending) -> GuardedMetric:
        """Return the metric; one that raises ends the work."""
        return metric_of(self.settings, self.target, self.judge, ending)

    def materials(self, metric: GuardedMetric, trainset: list[Any], valset: list[Any]) -> Materials:
        """Return what an optimizer may be given."""
        own = next((each.lm for each in self.program.predictors() if each.lm), None)
        fallback = self.task_lm or configured_lm() or own
        return Materials(
            metric=metric,
            feedback_metric=metric.with_feedback,
            prompt_lm=self.prompt_lm or fallback,
            task_lm=fallback,
            trainset=trainset,
            valset=valset,
            log_folder=self.folder.optimizer,
        )

    @property
    def lm(self) -> dict[str, Any]:
        """The settings for dspy.context under which the program has its LM."""
        return {} if self.task_lm is None else {"lm": self.task_lm}

    def spending(self, budget: Budget, ending: Ending) -> Spending:
        """Return what is spent, over all processes."""
        return Spending(self.folder.spent, budget, ending, self.job.task)

    def spent(self) -> Taken:
        """Return the paid calls since the run began, and what they cost."""
        return self.spending(Budget(), Ending()).taken

    def split(self, name: str) -> Any:
        """Return a split of the dataset version, typed."""
        assert self.job.version is not None  # noqa: S101  # the run tells it
        return examples_of(
            Path(self.config.versions.path),
            self.job.signature,
            self.job.version,
            name,
            types=types_for(self.signature, self.program, _sides(self.job.fields)),
            program=self.program,
        )


def bench_of(job: Job) -> Bench:
    """Put on the bench what a job needs.

    Raises:
        UsageError: something that the configuration names is not there.
    """
    require_dspy()
    config = Config.model_validate_json(json.dumps(job.config))
    signature = config.optimization.signatures[job.signature]
    settings = config.optimization.for_signature(job.signature)
    folder = SignatureFolder(job.signature, Path(job.folder))
    cache_answers(folder.lm_cache)
    program = opened_program(signature.program)
    target = target_for(job.signature, signature, program, job.fields)
    return Bench(
        job,
        config,
        signature,
        settings,
        folder,
        program,
        opened_lm("optimization.lm", settings.lm, settings.lm_api_base),
        opened_lm("optimization.prompt_lm", settings.prompt_lm, settings.prompt_lm_api_base),
        target,
        _loaded(program, job.served),
    )


def _loaded(program: Any, served: str | None) -> str | None:
    """Make the program what is served; return why it cannot be, as its signatures have changed since."""
    from headrace.routing.fitting import load_onto

    if served is None:
        return None
    try:
        load_onto(Program.decoded(served.encode()), program)
    except ProgramError as error:
        if error.reason not in _MISFITS:
            raise
        return str(error)
    return None


def configured_lm() -> Any:
    """Return the LM that the user's code has configured; None: it has none."""
    import dspy

    return dspy.settings.lm


def _sides(fields: dict[str, list[str]] | None) -> tuple[list[str], list[str]] | None:
    return None if fields is None else (fields["inputs"], fields["outputs"])
