"""What a candidate still lacks before it goes a stage up: the conditions of `decision.decide`, one by one. Pure."""

from dataclasses import dataclass
from math import inf
from typing import Final

from headrace_consumers.rollout.decision import is_fast_enough
from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.proportions import Pair, bounds_of, is_below
from headrace_consumers.rollout.ratios import Mean, ratio_bounds

__all__ = ["Condition", "conditions", "next_share"]

_FAR: Final = 100.0
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
    calls, margin, slow_margin = at_hand.failures.candidate.calls, stage.margin, 2 * plan.slow_margin
    failures = [_thinned(each.failures, plan.calls_per_request) for each in seen]
    slow = [_thinned(each.slow, plan.calls_per_request) for each in seen]
    alpha = plan.alpha_promote
    return [
        Condition("calls of the candidate", calls >= stage.min_calls, f"{calls:,.0f}", f"{stage.min_calls:,}"),
        Condition(
            "time in this stage",
            at_hand.elapsed_s >= stage.min_s,
            _duration(at_hand.elapsed_s),
            _duration(stage.min_s),
        ),
        _proven("more failures than the baseline", failures, margin, alpha),
        _proven("more slow calls than the baseline", slow, slow_margin, alpha),
        _fast_enough(at_hand.latency, plan.max_latency_ratio, alpha),
    ]


def _fast_enough(latency: tuple[Mean, Mean] | None, most: float, alpha: float) -> Condition:
    high = inf if latency is None else ratio_bounds(*latency, alpha)[1]
    has = f"proven to be below {high:.2f} times" if high < _FAR else "nothing is proven yet"
    is_met = latency is not None and is_fast_enough(latency, most, alpha)
    return Condition("mean latency beside the baseline's", is_met, has, f"below {most:g} times")


def _proven(what: str, pairs: list[Pair], margin: float, alpha: float) -> Condition:
    high = bounds_of(pairs, alpha)[1]
    has = f"proven to be below {high:+.1%}" if high < 1 else "nothing is proven yet"
    return Condition(what, is_below(pairs, margin, alpha), has, f"below {margin:+.1%}")


def _thinned(pair: Pair, per_request: float) -> Pair:
    return Pair(pair.candidate.thinned(per_request), pair.baseline.thinned(per_request))


def _duration(seconds: float) -> str:
    for length, unit in _UNITS:
        if seconds >= 2 * length or seconds == length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.0f} s"
