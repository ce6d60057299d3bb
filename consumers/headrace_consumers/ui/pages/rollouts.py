"""Each module's last rollout, and all decisions, the newest first."""

import time
from collections.abc import Sequence
from typing import Any, Final

from headrace_consumers.rollout.conditions import conditions, next_share
from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.moves import Entry
from headrace_consumers.rollout.numbers import numbers_of
from headrace_consumers.rollout.state import Found
from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.parts import Part, part
from headrace_consumers.ui.reading.rollouts import controller, rollouts
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE", "STATES", "decisions", "listed"]

_SHOWN: Final = 50
STATES: Final = {"promoted": "good", "rolled_back": "bad", "halted": "bad"}
"""How a state is marked, where it is not only named."""


def show(sources: Sources, asked: Asked) -> Shown:
    """Return the rollouts and decisions."""
    found = part(lambda: rollouts(sources))
    return listed(found, asked, time.time_ns() // 1_000_000, sources.config.kafka.topics.rollout)


def listed(found: Part[Found], asked: Asked, now_ms: int, topic: str) -> Shown:
    """Return what is shown of what was found.

    Args:
        found: in the topic.
        asked: `q`, which environment/module, rollout id or version has to contain it; `first`, of the decisions.
        now_ms: Unix time.
        topic: its name.
    """
    there = Found() if found.value is None else found.value
    text, first = asked.get("q").casefold(), asked.number("first")
    experiments = sorted(there.state.experiments.values(), key=lambda each: (not each.is_comparing, each.name))
    entries = [each for each in reversed(there.entries) if text in _words(each)]
    return {
        "title": "Rollouts",
        "topic": topic,
        "q": asked.get("q"),
        "found": found,
        "states": STATES,
        "controller": controller(there.state, now_ms),
        "every": len(experiments),
        "lines": [_line(each, now_ms) for each in experiments if text in _words(each)],
        "decisions": decisions(entries[first : first + _SHOWN]),
        "chosen": len(entries),
        "first": first,
        "step": _SHOWN,
    }


def decisions(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return decisions for a table; what a release of old did not count is left out."""
    return [
        {
            "entry": each,
            "arms": {arm: _failed(each.numbers.get(arm)) for arm in ("candidate", "baseline")},
            "proven": span(each.numbers.get("more_failures"), "{:+.1%}"),
        }
        for each in entries
    ]


def span(bounds: Any, form: str) -> str:
    """Return an interval in words; a dash for none.

    Args:
        bounds: low and high.
        form: of each, as of `str.format`.
    """
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:  # noqa: PLR2004  # low and high
        return "\u2013"
    return f"{form.format(bounds[0])} to {form.format(bounds[1])}"


def _failed(arm: Any) -> str:
    if not isinstance(arm, dict):
        return "\u2013"
    return f"{arm.get('failures', 0):,.0f} of {arm.get('calls', 0):,.0f}"


def _line(each: Experiment, now_ms: int) -> dict[str, Any]:
    numbers = numbers_of(each, now_ms)
    return {
        "rollout": each,
        "failed": {arm: _failed(numbers[arm]) for arm in ("candidate", "baseline")},
        "next": next_share(each),
        "missing": [condition for condition in conditions(each, now_ms) if not condition.is_met],
    }


def _words(each: Experiment | Entry) -> str:
    told = f"{each.environment}/{each.module} {each.rollout_id} {each.candidate.version} {each.baseline.version}"
    return told.casefold()


PAGE: Final = Page("/rollouts", "rollouts.html", show, menu="Rollouts")
