"""A module's last rollout: who gets which program, what was counted and proven, what is missing, what was decided."""

import time
from typing import Any, Final

from headrace_consumers.cycle.trend import interval
from headrace_consumers.rollout.conditions import conditions, next_share
from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.numbers import numbers_of
from headrace_consumers.rollout.state import Found
from headrace_consumers.ui.page import Asked, NothingThereError, Page, Shown
from headrace_consumers.ui.pages.rollouts import STATES, decisions, span
from headrace_consumers.ui.parts import Part, part
from headrace_consumers.ui.reading.cycles import Origin, origin_of
from headrace_consumers.ui.reading.rollouts import controller, rollouts
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE", "told"]

_SHOWN: Final = 100


def show(sources: Sources, asked: Asked) -> Shown:
    """Return the rollout.

    Raises:
        NothingThereError: the module has none.
        HeadraceError: the topic cannot be read.
    """
    found = rollouts(sources)
    name = f"{asked.names['environment']}/{asked.names['module']}"
    there = found.state.experiments.get(name)
    if there is None:
        raise NothingThereError(f"{name[:200]}: no rollout; the page Rollouts has those that there are")
    origin = part(lambda: origin_of(sources, there.rollout_id))
    return told(there, found, origin, time.time_ns() // 1_000_000)


def told(rollout: Experiment, found: Found, origin: Part[Origin | None], now_ms: int) -> Shown:
    """Return what is shown of a rollout.

    Args:
        rollout: of the module.
        found: in the topic.
        origin: the run of a cycle that started it.
        now_ms: Unix time.
    """
    numbers = numbers_of(rollout, now_ms)
    entries = [each for each in reversed(found.entries) if f"{each.environment}/{each.module}" == rollout.name]
    return {
        "title": f"Rollout of {rollout.name}",
        "rollout": rollout,
        "states": STATES,
        "controller": controller(found.state, now_ms),
        "next": next_share(rollout),
        "conditions": conditions(rollout, now_ms),
        "numbers": numbers,
        "arms": [
            ("candidate", rollout.candidate, numbers["candidate"]),
            ("baseline", rollout.baseline, numbers["baseline"]),
        ],
        "proven": _proven(rollout, numbers),
        "plot": _plot(rollout, numbers),
        "stages": [(each, each.elapsed_s(now_ms)) for each in rollout.stages],
        "origin": origin,
        "decisions": decisions(entries[:_SHOWN]),
        "chosen": len(entries),
    }


def _proven(rollout: Experiment, numbers: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what is compared, its interval, and what takes the candidate back."""
    plan = rollout.plan
    return [
        ("failures, candidate less baseline", span(numbers["more_failures"], "{:+.1%}"), "proven to be above 0"),
        (
            "mean latency, candidate by baseline",
            span(numbers["latency_ratio"], "{:.2f}"),
            f"proven to be above {plan.max_latency_ratio:g}",
        ),
        (
            "mean cost of a call, candidate by baseline",
            span(numbers["cost_ratio"], "{:.2f}"),
            f"proven to be above {plan.max_cost_ratio:g}",
        ),
        (
            "mean score of feedback, candidate less baseline",
            span(numbers["score_difference"], "{:+.3g}"),
            f"proven to be a loss of over {1 - plan.min_score_ratio:.0%} of the baseline's",
        ),
    ]


def _plot(rollout: Experiment, numbers: dict[str, Any]) -> str:
    """Return how much more the candidate fails, as a plot; empty where an arm has no calls yet."""
    calls = {arm: sum(getattr(each, arm).calls for each in rollout.stages) for arm in ("candidate", "baseline")}
    if not all(calls.values()):
        return ""
    failed = {arm: sum(getattr(each, arm).failures for each in rollout.stages) / calls[arm] for arm in calls}
    margin = rollout.plan.stages[min(len(rollout.stages), len(rollout.plan.stages)) - 1].margin
    low, high = numbers["more_failures"]
    at = failed["candidate"] - failed["baseline"]
    title = "Share of failures, candidate less baseline, over all stages"
    return interval(title, low=low, high=high, at=at, wanted=margin)


PAGE: Final = Page("/rollouts/{environment}/{module}", "rollout.html", show)
