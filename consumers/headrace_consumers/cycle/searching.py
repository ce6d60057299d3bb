"""The search: an optimizer let loose on train and val, within its part of the budget."""

import json
from collections.abc import Mapping
from typing import Any

from headrace_consumers.cycle.bench import Bench
from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.evaluating import Evaluations, recorder
from headrace_consumers.cycle.finding import Finding, asked
from headrace_consumers.cycle.job import Channel
from headrace_consumers.cycle.metering import meter
from headrace_consumers.cycle.optimizers import prepared
from headrace_consumers.cycle.phases import phase, result_of
from headrace_consumers.cycle.reserving import lacking, needed
from headrace_consumers.cycle.spending import Taken

__all__ = ["searched"]


def searched(bench: Bench, splits: Mapping[str, list[Any]], channel: Channel) -> Finding:
    """Let the optimizer search; of the budget it leaves what the test of a candidate takes.

    That is as much an example as the most demanding evaluation so far took, and at least what the baseline's test did.

    Args:
        bench: what there is.
        splits: train, val and test.
        channel: told of each trial.

    Raises:
        CycleError: the search failed, or the budget has no room for one.
    """
    import dspy

    import headrace

    settings, job = bench.settings, bench.job
    reserved = Taken(calls=job.reserved_calls, cost_usd=job.reserved_usd)
    if lacks := lacking(bench.budget, bench.spent(), reserved):
        raise CycleError(lacks)
    trainset, valset, test = (splits[name] for name in ("train", "val", "test"))
    evaluations = Evaluations(len(valset))

    def work(ending: Ending) -> Any:
        metric = bench.metric(ending)
        optimizer = prepared(settings, bench.materials(metric, trainset, valset))
        spending = bench.spending(bench.budget, ending)
        spending.reserve(reserved.calls, reserved.cost_usd)

        def tell(now: Evaluations) -> None:
            channel.progress(
                what="trials",
                done=len(now.trials),
                total=optimizer.evaluations,
                score=now.trials[-1].score,
                is_full=now.trials[-1].is_full,
                best=now.best_score,
                lm_calls=spending.taken.calls,
                cost_usd=spending.taken.cost_usd,
            )

        evaluations.on_trial = tell
        evaluations.on_taken = lambda examples, taken: spending.reserve(*needed(len(test), examples, taken))
        metered = meter(spending)
        metered["callbacks"].append(recorder(evaluations, spending))
        with dspy.context(**metered, **bench.lm), headrace.suppress():
            return optimizer.compile(bench.program.deepcopy())

    end = phase(work)
    found = evaluations.best if end.stopped is not None else result_of(end)
    program, is_changed = (None, False) if found is None else _candidate(bench, found)
    return Finding(
        asked=asked(bench),
        program=program,
        is_changed=is_changed,
        trials=evaluations.trials,
        stopped=end.stopped,
    )


def _candidate(bench: Bench, found: Any) -> tuple[dict[str, Any], bool]:
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
