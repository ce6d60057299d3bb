"""What a candidate still lacks before it goes a stage up: the conditions of `decision.decide`, one by one. Pure."""

from dataclasses import dataclass
from math import ceil
from typing import Final

from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.proofs import proofs

__all__ = ["Condition", "conditions", "next_share"]

_UNITS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


@dataclass(frozen=True, slots=True)
class Condition:
    """What has to hold before a candidate goes up.

    Attributes:
        what: is looked at.
        is_met: whether it holds.
        has: how far it is, in words.
        needs: how far it has to be, in words.
    """

    what: str
    is_met: bool
    has: str
    needs: str


def next_share(experiment: Experiment) -> float | None:
    """Return the share that the candidate gets next, 1 for all requests; None: it goes no further."""
    if not experiment.is_comparing:
        return None
    following = experiment.plan.stages[len(experiment.stages) :]
    return following[0].share if following else 1.0


def conditions(experiment: Experiment, now_ms: int) -> list[Condition]:
    """Return what has to hold before the candidate goes up; nothing where it is not compared.

    All have to, and nothing may breach a guard: a breach takes it back whatever holds here.

    Args:
        experiment: the rollout.
        now_ms: Unix time.
    """
    if not experiment.is_comparing:
        return []
    plan, seen = experiment.plan, experiment.seen(now_ms)
    stage, at_hand = plan.stages[len(seen) - 1], seen[-1]
    calls = at_hand.failures.candidate.calls
    return [
        Condition("calls of the candidate", calls >= stage.min_calls, f"{calls:,.0f}", f"{stage.min_calls:,}"),
        Condition(
            "time in this stage",
            at_hand.elapsed_s >= stage.min_s,
            _duration(at_hand.elapsed_s),
            _duration(stage.min_s),
        ),
        Condition(
            "time for slow calls to end",
            at_hand.is_settled,
            _duration(at_hand.age_s),
            _duration(ceil(at_hand.settled_after_s)),
        ),
        *(Condition(proof.what, proof.is_met(), proof.has(), proof.needs) for proof in proofs(plan, seen)),
    ]


def _duration(seconds: float) -> str:
    for length, unit in _UNITS:
        if seconds >= 2 * length or seconds == length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.0f} s"
