"""How a rollout begins and goes on: what a decision or a person makes of it, and the entry that tells of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from headrace_consumers.rollout.counted import Scores
from headrace_consumers.rollout.decision import Decision, Guard, Verdict
from headrace_consumers.rollout.experiment import Experiment, StageCounts
from headrace_consumers.rollout.numbers import numbers_of
from headrace_consumers.rollout.plan import Plan
from headrace_schemas import HeadraceError
from headrace_schemas.rollouts import ProgramVersion, Rollout, RolloutState

__all__ = ["CONTROLLER", "Change", "Entry", "RolloutError", "What", "begun", "decided", "ordered"]

CONTROLLER: Final = "headrace consume rollout"
"""Who decides by the figures."""

What: TypeAlias = Literal["start", "promote", "rollback", "halt", "pause", "resume"]


class RolloutError(HeadraceError):
    """What was asked of a rollout cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What was decided, with its numbers: a line of the audit log.

    Attributes:
        at_ms: Unix time.
        environment: of the producers.
        module: which one.
        rollout_id: which rollout.
        sequence: of the record on the control topic that was written with it.
        what: what was done.
        state: what it became.
        stage: the number of the stage that began, or was at hand.
        share: of requests that get the candidate from then on.
        share_before: until then.
        candidate: its version.
        baseline: likewise.
        by: who did it.
        guard: what the decision rests on; empty where a person decided.
        reason: why, in one line.
        numbers: what was counted, and what is proven; see `numbers`.
    """

    at_ms: int
    environment: str
    module: str
    rollout_id: str
    sequence: int
    what: What
    state: RolloutState
    stage: int
    share: float
    share_before: float
    candidate: ProgramVersion
    baseline: ProgramVersion
    by: str
    guard: str
    reason: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A rollout as it became, and the entry about it."""

    experiment: Experiment
    entry: Entry

    @property
    def order(self) -> Rollout:
        """What producers are told, with why."""
        entry = self.entry
        why = {"what": entry.what, "guard": entry.guard, "reason": entry.reason, "numbers": dict(entry.numbers)}
        return replace(self.experiment.order(), decision=why)


def begun(
    *,
    environment: str,
    module: str,
    rollout_id: str,
    candidate: ProgramVersion,
    baseline: ProgramVersion,
    plan: Plan,
    before: Experiment | None,
    now_ms: int,
    by: str,
) -> Change:
    """Return a rollout that begins.

    Args:
        environment: of the producers.
        module: which one.
        rollout_id: a name that no other rollout has.
        candidate: what may go up.
        baseline: what it is compared with.
        plan: by what it is decided.
        before: the last rollout of the module; None: there was none.
        now_ms: Unix time.
        by: who begins it.

    Raises:
        RolloutError: another one is under way, or candidate and baseline are the same.
    """
    if before is not None and before.state not in {"promoted", "rolled_back"}:
        raise RolloutError(
            f"{before.name}: rollout {before.rollout_id} is {before.state} at {before.at_hand.share:.0%}; "
            f"end it first: headrace rollout rollback --module {module}"
        )
    if candidate.version == baseline.version or candidate.digest == baseline.digest:
        raise RolloutError(f"{environment}/{module}: candidate and baseline are both {candidate.version}")
    experiment = Experiment(
        environment=environment,
        module=module,
        rollout_id=rollout_id,
        candidate=candidate,
        baseline=baseline,
        plan=plan,
        state="running",
        stages=(StageCounts(number=1, share=plan.stages[0].share, began_ms=now_ms),),
        sequence=1,
        started_at_ms=now_ms,
        started_by=by,
        changed_at_ms=now_ms,
        changed_by=by,
        reason="started",
    )
    return Change(experiment, _entry(experiment, "start", 0.0, ""))


def decided(experiment: Experiment, decision: Decision, now_ms: int) -> Change | None:
    """Return what a decision makes of a rollout; None: it stays as it is.

    While it is paused nothing goes up and no time runs out; a breach takes it back all the same.
    """
    verdict = decision.verdict
    if verdict is Verdict.HOLD or not experiment.is_comparing:
        return None
    if experiment.state == "paused" and (verdict is Verdict.PROMOTE or decision.guard is Guard.time):
        return None
    what: What = "promote" if verdict is Verdict.PROMOTE else "rollback" if verdict is Verdict.ROLLBACK else "halt"
    return _changed(experiment, what, now_ms=now_ms, by=CONTROLLER, reason=decision.reason, guard=decision.guard.value)


def ordered(
    experiment: Experiment | None,
    name: str,
    what: What,
    *,
    now_ms: int,
    by: str,
    reason: str,
    to_all: bool = False,
) -> Change:
    """Return what an operator makes of a rollout.

    Args:
        experiment: the module's last; None: there is none.
        name: environment and module, for the message.
        what: pause, resume, promote (one stage up) or rollback.
        now_ms: Unix time.
        by: who.
        reason: why.
        to_all: promote to all requests at once.

    Raises:
        RolloutError: it is not in a state for that.
    """
    if experiment is None:
        raise RolloutError(f"{name}: no rollout; `headrace rollout status` shows those that there are")
    allowed = {
        "pause": {"running"},
        "resume": {"paused", "halted"},
        "promote": {"running", "paused"},
        "rollback": {"running", "paused", "halted", "promoted"},
    }[what]
    if experiment.state not in allowed:
        raise RolloutError(f"{name}: rollout {experiment.rollout_id} is {experiment.state}, so there is no {what}")
    if what in {"pause", "resume"} and experiment.is_comparing:
        state: RolloutState = "paused" if what == "pause" else "running"
        at_hand = experiment.at_hand
        at_hand = at_hand.paused(now_ms) if what == "pause" else at_hand.resumed(now_ms)
        changed = replace(
            experiment,
            state=state,
            stages=(*experiment.stages[:-1], at_hand),
            sequence=experiment.sequence + 1,
            changed_at_ms=now_ms,
            changed_by=by,
            reason=reason,
        )
        return Change(changed, _entry(changed, what, experiment.share, "", numbers_of(experiment, now_ms)))
    return _changed(experiment, what, now_ms=now_ms, by=by, reason=reason, to_all=to_all)


def _changed(
    experiment: Experiment,
    what: What,
    *,
    now_ms: int,
    by: str,
    reason: str,
    guard: str = "",
    to_all: bool = False,
) -> Change:
    """Return it with another share, in a stage of a new number."""
    numbers = numbers_of(experiment, now_ms)
    stages = (*experiment.stages[:-1], replace(experiment.at_hand.resumed(now_ms), ended_ms=now_ms))
    number = experiment.at_hand.number + 1
    state: RolloutState = experiment.state
    if what == "promote":
        is_last = to_all or len(stages) == len(experiment.plan.stages)
        state = "promoted" if is_last else experiment.state
        if not is_last:
            stages = (*stages, _new_stage(experiment, len(stages), number, now_ms))
    elif what == "resume":  # what was counted before a halt cannot be trusted: its stage begins anew
        state = "running"
        bound_s = experiment.bound_s if len(stages) > 1 else None  # that of the first stage
        experiment = replace(experiment, bound_s=bound_s, candidate_scores=Scores(), baseline_scores=Scores())
        stages = (*stages[:-1], _new_stage(experiment, len(stages) - 1, number, now_ms))
    else:
        state = "halted" if what == "halt" else "rolled_back"
    if state in {"promoted", "halted", "rolled_back"}:
        stages = (*stages[:-1], replace(stages[-1], number=number))
    changed = replace(
        experiment,
        state=state,
        stages=stages,
        sequence=experiment.sequence + 1,
        changed_at_ms=now_ms,
        changed_by=by,
        reason=reason,
    )
    return Change(changed, _entry(changed, what, experiment.share, guard, numbers))


def _new_stage(experiment: Experiment, at: int, number: int, now_ms: int) -> StageCounts:
    paused_at_ms = now_ms if experiment.state == "paused" else None
    return StageCounts(
        number=number, share=experiment.plan.stages[at].share, began_ms=now_ms, paused_at_ms=paused_at_ms
    )


def _entry(
    experiment: Experiment, what: What, share_before: float, guard: str, numbers: Mapping[str, Any] | None = None
) -> Entry:
    return Entry(
        at_ms=experiment.changed_at_ms,
        environment=experiment.environment,
        module=experiment.module,
        rollout_id=experiment.rollout_id,
        sequence=experiment.sequence,
        what=what,
        state=experiment.state,
        stage=experiment.at_hand.number,
        share=experiment.share,
        share_before=share_before,
        candidate=experiment.candidate,
        baseline=experiment.baseline,
        by=experiment.changed_by,
        guard=guard,
        reason=experiment.reason,
        numbers=numbers or {},
    )
