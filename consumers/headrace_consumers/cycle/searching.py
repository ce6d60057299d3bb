"""The search: an optimizer let loose on train and val, within its part of the budget."""

import json
from typing import Any

from headrace_consumers.cycle.bench import Bench
from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.evaluating import Evaluations, recorder
from headrace_consumers.cycle.job import Channel
from headrace_consumers.cycle.optimizers import prepared
from headrace_consumers.cycle.phases import phase, result_of
from headrace_consumers.cycle.spending import Budget, meter

__all__ = ["candidate", "searched"]


def searched(
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
        optimizer = prepared(settings, bench.materials(metric, trainset, valset))
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
        with dspy.context(**metered, **bench.lm), headrace.suppress():
            return optimizer.compile(bench.program.deepcopy())

    end = phase(work)
    if end.stopped is not None:
        return evaluations.best, evaluations, end.stopped
    return result_of(end), evaluations, None


def candidate(bench: Bench, found: Any) -> tuple[dict[str, Any], bool]:
    """Return what the program's predictors are told, and whether it is anything else than before."""
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
