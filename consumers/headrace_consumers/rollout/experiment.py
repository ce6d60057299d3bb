"""One rollout as its controller knows it: what was agreed on, where it stands, what was counted. Pure.

    start -> running -- go up, stage by stage --> promoted
                 |  ^-- resume -- paused, halted
                 +-- breach, or no evidence in time --> rolled_back

Each change of the candidate's share begins a stage with a number of its own: calls are counted under it, so that none
that was routed before the change counts for the stage after it.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from headrace_consumers.rollout.counted import Counted, Scores, Vector, p99_bound_s
from headrace_consumers.rollout.plan import Plan
from headrace_consumers.rollout.proportions import Arm, Pair
from headrace_consumers.rollout.seen import Seen
from headrace_schemas.rollouts import BASELINE, CANDIDATE, ProgramVersion, Rollout, RolloutState

__all__ = ["COMPARING", "Experiment", "StageCounts"]

COMPARING: Final = frozenset({"running", "paused"})
_S: Final = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCounts:
    """A stage, and what was counted in it.

    Attributes:
        number: under which producers count it.
        share: of the requests, the candidate's.
        began_ms: Unix time.
        ended_ms: likewise; None: it is at hand.
        paused_ms: for so long it was paused, until somebody resumed.
        paused_at_ms: since when it is paused, Unix time; None: it is not.
        candidate: what it counted.
        baseline: likewise.
    """

    number: int
    share: float
    began_ms: int
    ended_ms: int | None = None
    paused_ms: int = 0
    paused_at_ms: int | None = None
    candidate: Counted = field(default_factory=Counted)
    baseline: Counted = field(default_factory=Counted)

    def age_s(self, now_ms: int) -> float:
        """Return how long ago it began, or how long it took."""
        return max(0.0, ((self.ended_ms or now_ms) - self.began_ms) / _S)

    def elapsed_s(self, now_ms: int) -> float:
        """Return how long it takes, or took, without the time that it was paused."""
        return max(0.0, self.age_s(now_ms) - self.resumed(self.ended_ms or now_ms).paused_ms / _S)

    def paused(self, now_ms: int) -> "StageCounts":
        """Return it paused."""
        return replace(self, paused_at_ms=now_ms)

    def resumed(self, now_ms: int) -> "StageCounts":
        """Return it not paused."""
        if self.paused_at_ms is None:
            return self
        return replace(self, paused_ms=self.paused_ms + max(0, now_ms - self.paused_at_ms), paused_at_ms=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A rollout.

    Attributes:
        environment: of the producers.
        module: as in statistics.
        rollout_id: its name.
        candidate: what may go up.
        baseline: what it is compared with.
        plan: by what it is decided.
        state: see `headrace_schemas.rollouts`.
        stages: those that it went through, the one at hand last.
        sequence: of its records on the control topic.
        bound_s: above it a call is slow; None: not known yet.
        candidate_scores: of feedback.
        baseline_scores: likewise.
        started_at_ms: Unix time.
        started_by: who began it.
        changed_at_ms: when its state or share changed last.
        changed_by: who did that.
        reason: why it stands so, in one line.
    """

    environment: str
    module: str
    rollout_id: str
    candidate: ProgramVersion
    baseline: ProgramVersion
    plan: Plan
    state: RolloutState
    stages: tuple[StageCounts, ...]
    sequence: int
    started_at_ms: int
    started_by: str
    changed_at_ms: int
    changed_by: str
    reason: str
    bound_s: float | None = None
    candidate_scores: Scores = field(default_factory=Scores)
    baseline_scores: Scores = field(default_factory=Scores)

    @property
    def name(self) -> str:
        """Environment and module."""
        return f"{self.environment}/{self.module}"

    @property
    def at_hand(self) -> StageCounts:
        """The newest stage."""
        return self.stages[-1]

    @property
    def is_comparing(self) -> bool:
        """Whether its calls are counted by arm."""
        return self.state in COMPARING

    @property
    def served(self) -> ProgramVersion:
        """What all requests get that are not the candidate's."""
        return self.candidate if self.state == "promoted" else self.baseline

    @property
    def share(self) -> float:
        """The share of requests that get the candidate now."""
        return self.at_hand.share if self.is_comparing else float(self.state == "promoted")

    def counted(self, number: int, arm: str, grown: Vector) -> "Experiment":
        """Return it with an increase.

        Args:
            number: of the stage that the calls were routed in. One that is over takes in what is counted late; one
                that began anew takes in nothing.
            arm: which program they got.
            grown: what was counted.
        """
        for at, stage in enumerate(self.stages):
            if stage.number == number:
                return replace(self, stages=(*self.stages[:at], self._with(stage, arm, grown), *self.stages[at + 1 :]))
        return self

    def _with(self, stage: StageCounts, arm: str, grown: Vector) -> StageCounts:
        if arm == CANDIDATE:
            return replace(stage, candidate=stage.candidate.plus(grown, self.bound_s))
        if arm == BASELINE:
            return replace(stage, baseline=stage.baseline.plus(grown, self.bound_s))
        return stage

    def bounded(self) -> "Experiment":
        """Return it with the bound of slow calls where that can be told now; it never changes after that."""
        if self.bound_s is not None:
            return self
        bound_s = p99_bound_s(self.at_hand.baseline, self.plan.max_latency_ratio)
        return self if bound_s is None else replace(self, bound_s=bound_s)

    def scored(self, request_id: str, score: float) -> "Experiment":
        """Return it with a score of feedback; of requests whose arm was another at another time, nothing is taken."""
        order = self.order()
        shares = [stage.share for stage in self.plan.stages]
        if replace(order, state="running", share=shares[0]).arm_of(request_id) == CANDIDATE:
            return replace(self, candidate_scores=self.candidate_scores.plus(score))
        if replace(order, state="running", share=shares[-1]).arm_of(request_id) == BASELINE:
            return replace(self, baseline_scores=self.baseline_scores.plus(score))
        return self

    @property
    def has_counts(self) -> bool:
        """Whether any call was counted, and it was not shortened."""
        return any(arm.calls + arm.cancelled for stage in self.stages for arm in (stage.candidate, stage.baseline))

    def shortened(self) -> "Experiment":
        """Return it without what its stages counted, where it has ended and its log tells that."""
        stages = tuple(replace(stage, candidate=Counted(), baseline=Counted()) for stage in self.stages)
        return replace(self, stages=stages)

    def seen(self, now_ms: int) -> list[Seen]:
        """Return what decisions are made of, a stage each."""
        slowest_s = max(arm.slowest_s for stage in self.stages for arm in (stage.candidate, stage.baseline))
        return [_seen(stage, now_ms, slowest_s, self) for stage in self.stages]

    def order(self) -> Rollout:
        """Return what producers are told."""
        return Rollout(
            environment=self.environment,
            module=self.module,
            rollout_id=self.rollout_id,
            state=self.state,
            share=self.at_hand.share,
            candidate=self.candidate,
            baseline=self.baseline,
            stage=self.at_hand.number,
            sequence=self.sequence,
            updated_at_ms=self.changed_at_ms,
            updated_by=self.changed_by,
        )


def _seen(stage: StageCounts, now_ms: int, slowest_s: float, experiment: Experiment) -> Seen:
    candidate, baseline = stage.candidate, stage.baseline
    latency, cost = (candidate.latency, baseline.latency), (candidate.usage.mean, baseline.usage.mean)
    score = (experiment.candidate_scores.mean, experiment.baseline_scores.mean)
    return Seen(
        failures=Pair(_arm(candidate.calls, candidate.failures), _arm(baseline.calls, baseline.failures)),
        slow=Pair(_arm(candidate.timed, candidate.slow), _arm(baseline.timed, baseline.slow)),
        latency=None if latency[0] is None or latency[1] is None else (latency[0], latency[1]),
        cost=None if cost[0] is None or cost[1] is None else (cost[0], cost[1]),
        elapsed_s=stage.elapsed_s(now_ms),
        age_s=stage.age_s(now_ms),
        p99_s=slowest_s,
        cancelled=Pair(*(_arm(arm.calls + arm.cancelled, arm.cancelled) for arm in (candidate, baseline))),
        has_costs=candidate.usage.cost_usd + baseline.usage.cost_usd > 0,
        score=None if score[0] is None or score[1] is None else (score[0], score[1]),
    )


def _arm(calls: float, hits: float) -> Arm:
    return Arm(calls, min(calls, hits))  # a producer whose figures lie must not end the controller
