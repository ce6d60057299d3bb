"""Rollouts: who gets how much, and what both arms did."""

from collections.abc import Iterator
from typing import Final

from headrace_consumers.dashboards.panel import Column, Dashboard, Panel, Query, Row, Show, Variable
from headrace_consumers.dashboards.scope import POINT, Scope, share
from headrace_consumers.dashboards.units import COUNT, SECONDS, SHARE, YES_NO, unit_of
from headrace_consumers.monitoring.catalogue.rollouts import (
    ACTING,
    ARM_CALLS,
    ARM_FAILURES,
    ARM_LATENCY,
    CHANGED,
    DECISIONS,
    SAMPLING_RATES,
    STAGE,
    STATE,
)
from headrace_consumers.monitoring.catalogue.rollouts import SHARE as CANDIDATE_SHARE

__all__ = ["rollouts"]

_VARIABLES: Final = (
    Variable("environment", STATE, "Environment"),
    Variable("module", STATE, "Module"),
)
_SCOPE: Final = Scope(tuple(each.label for each in _VARIABLES))
_WHOSE: Final = ("environment", "module", "rollout")
_ARM: Final = (*_WHOSE, "arm", "version")
_LEGEND: Final = "{{module}} {{arm}} {{version}}"
_NONE: Final = "no rollout, or no rollout consumer is scraped"


def rollouts() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="headrace-rollouts",
        title="Headrace: rollouts",
        description="Which candidates get how many of the requests, and what both arms did.",
        variables=_VARIABLES,
        rows=(Row("Rollouts", tuple(_standing())), Row("Both arms", tuple(_arms())), Row("Decisions", tuple(_made()))),
        alerts='alertname=~"HeadraceRollout.+|HeadraceCandidateNotCalled|HeadraceProgramNotUsed"',
    )


def _standing() -> Iterator[Panel]:
    yield Panel(
        title="The last rollout of each module",
        description="The candidate's share of the requests, the stage, and how long ago that changed.",
        show=Show.table,
        columns=(Column("module", "Module"), Column("environment", "Environment"), Column("rollout", "Rollout")),
        queries=(
            Query(_SCOPE.most(CANDIDATE_SHARE, _WHOSE), "Candidate's share", SHARE),
            Query(_SCOPE.most(STAGE, _WHOSE), "Stage", COUNT),
            Query(f"time() - {_SCOPE.most(CHANGED, _WHOSE)}", "Since", SECONDS),
        ),
        unit=COUNT,
        width=14,
        alerts=(
            "HeadraceRolloutRolledBack",
            "HeadraceRolloutHalted",
            "HeadraceCandidateNotCalled",
            "HeadraceProgramNotUsed",
        ),
        when_empty=_NONE,
    )
    yield Panel(
        title="State",
        description="The state that each module's last rollout is in: its line is at 1.",
        show=Show.lines,
        queries=(Query(f"{_SCOPE.most(STATE, (*_WHOSE, 'state'))} == 1", "{{module}} {{state}}"),),
        unit=COUNT,
        width=10,
        when_empty=_NONE,
    )


def _arms() -> Iterator[Panel]:
    calls, failures = _SCOPE.most(ARM_CALLS, _ARM), _SCOPE.most(ARM_FAILURES, _ARM)
    yield Panel(
        title="Calls of each arm",
        description="All calls that were routed and count as evidence, exact, since the rollout began.",
        show=Show.lines,
        queries=(Query(calls, _LEGEND),),
        unit=unit_of(ARM_CALLS),
        width=8,
        when_empty=_NONE,
    )
    yield Panel(
        title="Share of calls that failed",
        description="By arm, exact, of all calls since the rollout began. Whether a difference is proven, "
        "`headrace rollout status` says.",
        show=Show.lines,
        queries=(Query(share(failures, calls), _LEGEND),),
        unit=SHARE,
        width=8,
        when_empty=_NONE,
    )
    yield Panel(
        title="Mean latency of each arm",
        description="By arm, exact, of the calls of the stage at hand.",
        show=Show.lines,
        queries=(Query(_SCOPE.most(ARM_LATENCY, _ARM), _LEGEND),),
        unit=unit_of(ARM_LATENCY),
        width=8,
        when_empty=_NONE,
    )


def _made() -> Iterator[Panel]:
    yield Panel(
        title="Decisions",
        description="What the consumer decided, and by which guard; `headrace rollout history` has people's own, too.",
        show=Show.bars,
        queries=(Query(Scope(()).seen(DECISIONS, ("what", "guard"), POINT), "{{what}} {{guard}}"),),
        unit=unit_of(DECISIONS),
        width=14,
        height=6,
        when_empty="nothing was decided",
    )
    yield Panel(
        title="Who decides",
        description="Each rollout consumer: whether it decides, or stands by for the one that does.",
        show=Show.table,
        columns=(Column("job", "Job"), Column("instance", "Instance")),
        queries=(Query(Scope(()).most(ACTING, ("job", "instance")), "Decides", YES_NO),),
        unit=YES_NO,
        width=10,
        height=6,
        alerts=("HeadraceRolloutNotDecided",),
        when_empty=_NONE,
    )
    yield Panel(
        title="Sampling rates",
        description="What became of modules' sampling rates, where `rollout.sampling.budget_per_s` is set.",
        show=Show.bars,
        queries=(Query(Scope(()).seen(SAMPLING_RATES, ("what",), POINT), "{{what}}"),),
        unit=unit_of(SAMPLING_RATES),
        width=24,
        height=6,
        when_empty="sampling rates are not adapted",
    )
