"""The first task of a worker: whether everything is there, and examples of other sources."""

from collections.abc import Callable
from typing import Any

from headrace.errors import UsageError
from headrace_consumers.cycle.artefacts import SourceFound
from headrace_consumers.cycle.bench import Bench, bench_of
from headrace_consumers.cycle.collecting import in_pool, made_up, mined
from headrace_consumers.cycle.ending import Ending
from headrace_consumers.cycle.job import Channel, Job
from headrace_consumers.cycle.lms import has_lm
from headrace_consumers.cycle.metering import meter
from headrace_consumers.cycle.optimizers import prepared
from headrace_consumers.cycle.phases import BUDGETS, phase, result_of

__all__ = ["collect"]


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


def _within_budget(bench: Bench, source: str, make: Callable[[int | None], SourceFound]) -> SourceFound:
    """Make examples of a source with what is left of the budget; where it is spent, what was made until then counts."""
    import dspy

    calls, there = bench.spent().calls, in_pool(bench.config, bench.target, source)

    def work(ending: Ending) -> SourceFound:
        most = bench.settings.max_lm_calls
        with dspy.context(**meter(bench.spending(bench.budget, ending))):
            return make(None if most is None else max(0, most - calls))

    end = phase(work)
    if end.stopped is None:
        made: SourceFound = result_of(end)
    else:
        found = in_pool(bench.config, bench.target, source)
        wanted = getattr(bench.config.optimization, f"{source}_target")
        ended = f"{BUDGETS[end.stopped]} is reached"
        made = SourceFound(wanted=wanted, found=found, added=found - there, ended=ended)
    return made.model_copy(update={"lm_calls": bench.spent().calls - calls})


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
    prepared(bench.settings, bench.materials(metric, [], []))
