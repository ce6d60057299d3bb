"""Rollouts: was a candidate taken back, does one stand still, and does anybody decide?"""

from typing import Final

from headrace_consumers.metrics.alerts.promql import named
from headrace_consumers.metrics.alerts.rule import Alert, Group, duration

__all__ = ["rollouts"]

_WHOSE: Final = ("environment", "module", "rollout")
_SUBJECT: Final = (
    ("Module", "{{ $labels.module }}"),
    ("Rollout", "{{ $labels.rollout }}"),
    ("Environment", "{{ $labels.environment }}"),
)
_NEWS_S: Final = 3_600
"""For so long a decision is news."""
_UNDECIDED_S: Final = 300


def rollouts() -> Group:
    """Return the rules of rollouts."""
    return Group("headrace-rollouts", (_rolled_back(), _halted(), _not_decided()))


def _rolled_back() -> Alert:
    by = ", ".join(_WHOSE)
    changed = f"time() - max by ({by}) ({named('headrace_rollout_changed_timestamp_seconds')})"
    return Alert(
        name="HeadraceRolloutRolledBack",
        expression=f"{changed} < {_NEWS_S}\nand on ({by}) {_is('rolled_back')}",
        for_s=0,
        severity="warning",
        headline="A candidate was taken back",
        subject=_SUBJECT,
        current="the baseline gets all requests",
        threshold="rollout in the configuration",
        action="Run headrace rollout history: it has the reason and the numbers",
    )


def _halted() -> Alert:
    return Alert(
        name="HeadraceRolloutHalted",
        expression=_is("halted"),
        for_s=0,
        severity="warning",
        headline="A rollout has halted: requests were not split as wanted",
        subject=_SUBJECT,
        current="the baseline gets all requests",
        threshold="rollout.alpha_split",
        action="Look for a service that cannot use the candidate, then headrace rollout resume or rollback",
    )


def _not_decided() -> Alert:
    acting = named("headrace_rollout_acting")
    return Alert(
        name="HeadraceRolloutNotDecided",
        expression=f"max({acting}) == 0",
        for_s=_UNDECIDED_S,
        severity="critical",
        headline="Rollout consumers run and none of them decides",
        subject=(),
        current="0 of them",
        threshold=f"1, within {duration(_UNDECIDED_S)}",
        action="Read the last line of their logs: a right, a topic, or the broker is missing",
    )


def _is(state: str) -> str:
    """Return PromQL for the rollouts in a state; several consumers may have told of one."""
    return f'max by ({", ".join(_WHOSE)}) ({named("headrace_rollout_state")}{{state="{state}"}}) == 1'
