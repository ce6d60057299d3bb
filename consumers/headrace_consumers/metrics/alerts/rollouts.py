"""Rollouts: was a candidate taken back, does one stand still, and does anybody decide?"""

from typing import Final

from headrace_consumers.metrics.alerts.promql import COUNT, grown, named, total
from headrace_consumers.metrics.alerts.rule import Alert, Group, duration, spoken

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
_UNUSED_S: Final = 3_600
_SERVICE: Final = ("service", "environment", "reason")


def rollouts() -> Group:
    """Return the rules of rollouts."""
    return Group("headrace-rollouts", (_rolled_back(), _halted(), _not_decided(), _not_used(), _not_called()))


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
        headline="A rollout has halted: the calls that ended are not split as wanted",
        subject=_SUBJECT,
        current="the baseline gets all requests",
        threshold="rollout.alpha_split",
        action="See whether the candidate's calls hang, or retry more: then headrace rollout rollback, else resume",
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


def _not_used() -> Alert:
    failures = grown("headrace_program_failures_total", _SERVICE, _NEWS_S)
    return Alert(
        name="HeadraceProgramNotUsed",
        expression=f"{failures} > 0",
        for_s=0,
        severity="warning",
        headline="A service cannot use a program version, and the baseline serves",
        subject=(
            ("Service", '{{ or $labels.service "unnamed" }}'),
            ("Environment", "{{ $labels.environment }}"),
            ("Reason", "{{ $labels.reason }}"),
        ),
        current=f"{COUNT} in {spoken(_NEWS_S)}",
        threshold="0",
        action="Look up the reason in docs/rollout.md; the service's log names the version",
    )


def _not_called() -> Alert:
    of_arm = f'{named("headrace_rollout_arm_calls")}{{arm="candidate"}}'
    now, before = (
        f"max by ({', '.join(_WHOSE)}) ({each})" for each in (of_arm, f"{of_arm} offset {duration(_UNUSED_S)}")
    )
    module = ("environment", "module")
    calls = total(f"increase({named('headrace_calls_total')}[{duration(_UNUSED_S)}])", module)
    return Alert(
        name="HeadraceCandidateNotCalled",
        expression=(
            f"{now} - {before} == 0\n"
            f"and on ({', '.join(_WHOSE)}) {_is('running')}\n"
            f"and on ({', '.join(module)}) {calls} > 0"
        ),
        for_s=_UNDECIDED_S,
        severity="warning",
        headline="A rollout runs, its module is called, and its candidate is not",
        subject=_SUBJECT,
        current=f"{COUNT} calls of the candidate in {spoken(_UNUSED_S)}",
        threshold="1",
        action="Look for headrace_program_failures_total and in the services' logs: no service uses the candidate",
    )


def _is(state: str) -> str:
    """Return PromQL for the rollouts in a state; several consumers may have told of one."""
    return f'max by ({", ".join(_WHOSE)}) ({named("headrace_rollout_state")}{{state="{state}"}}) == 1'
