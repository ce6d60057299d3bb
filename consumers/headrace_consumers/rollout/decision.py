"""What the figures of a rollout mean: hold, go up a stage, take the candidate back, or halt. Pure.

Guards, each with a part of `alpha_rollback`, so that all together a candidate that is no worse is rolled back with at
most that probability, however often one looks:

    failures   half of it    more failures than the baseline, by any amount
    slow       a sixth       over `slow_margin` more calls above the latency bound fixed at the start
    latency    a sixth       mean above `max_latency_ratio` times the baseline's, in the stage at hand
    cost       a sixth       mean above `max_cost_ratio` times the baseline's, in the stage at hand

A breach takes the candidate back at once, whatever the stage's least calls and time. It goes up when both are reached
and failures and slow calls are proven to be within their margins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log
from typing import Final

from headrace_consumers.rollout.plan import Plan
from headrace_consumers.rollout.proportions import Arm, Pair, is_above, is_below, share_evidence
from headrace_consumers.rollout.ratios import Mean, ratio_bounds

__all__ = ["Decision", "Seen", "Verdict", "decide"]

_OF_FAILURES: Final = 1 / 2
_OF_EACH_OTHER: Final = 1 / 6


class Verdict(StrEnum):
    """What is to be done."""

    HOLD = "hold"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted in a stage, of the candidate and of the baseline.

    Attributes:
        failures: of all calls.
        slow: of all calls, those above the latency bound that was fixed when the rollout began.
        latency: seconds; None: unknown.
        cost: USD; None: unknown.
        elapsed_s: since the stage began.
    """

    failures: Pair
    slow: Pair
    latency: tuple[Mean, Mean] | None
    cost: tuple[Mean, Mean] | None
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and the one line that says why."""

    verdict: Verdict
    reason: str


def decide(plan: Plan, stages: Sequence[Seen]) -> Decision:
    """Return what follows from all that was seen.

    Args:
        plan: what was agreed on when the rollout began.
        stages: what was seen in each so far, the one at hand last; not empty.
    """
    failures = [_thinned(seen.failures, plan) for seen in stages]
    slow = [_thinned(seen.slow, plan) for seen in stages]
    at_hand, stage = stages[-1], plan.stages[len(stages) - 1]
    if _is_split_wrongly(failures[-1], stage.share, plan.alpha_split):
        return Decision(
            Verdict.HALT, f"the candidate got {_share(at_hand.failures)} of the calls, not {stage.share:.0%}"
        )
    if (breach := _breach(plan, failures, slow, at_hand)) is not None:
        return Decision(Verdict.ROLLBACK, breach)
    if sum(seen.elapsed_s for seen in stages) >= plan.max_s:
        return Decision(Verdict.ROLLBACK, "no evidence in the time that was given")
    calls = at_hand.failures.candidate.calls
    if calls < stage.min_calls or at_hand.elapsed_s < stage.min_s:
        return Decision(
            Verdict.HOLD, f"{calls:,.0f} of {stage.min_calls:,} calls, {at_hand.elapsed_s:,.0f} of {stage.min_s:,.0f} s"
        )
    if not is_below(failures, stage.margin, plan.alpha_promote):
        return Decision(Verdict.HOLD, f"not proven that at most {stage.margin:.1%} more calls fail")
    if not is_below(slow, 2 * plan.slow_margin, plan.alpha_promote):
        return Decision(Verdict.HOLD, f"not proven that at most {2 * plan.slow_margin:.1%} more calls are slow")
    return Decision(Verdict.PROMOTE, f"at most {stage.margin:.1%} more calls fail")


def _breach(plan: Plan, failures: list[Pair], slow: list[Pair], at_hand: Seen) -> str | None:
    alpha = plan.alpha_rollback * _OF_EACH_OTHER
    if is_above(failures, 0.0, plan.alpha_rollback * _OF_FAILURES):
        return f"fails more often: {_rates(failures)}"
    if is_above(slow, plan.slow_margin, alpha):
        return f"slow more often: {_rates(slow)}"
    alpha /= len(plan.stages)  # means begin anew in each stage
    if at_hand.latency is not None and ratio_bounds(*at_hand.latency, alpha)[0] > plan.max_latency_ratio:
        return f"slower: a mean of {at_hand.latency[0].mean:.3g} s, the baseline's is {at_hand.latency[1].mean:.3g} s"
    if at_hand.cost is not None and ratio_bounds(*at_hand.cost, alpha)[0] > plan.max_cost_ratio:
        return f"dearer: a mean of ${at_hand.cost[0].mean:.3g}, the baseline's is ${at_hand.cost[1].mean:.3g}"
    return None


def _is_split_wrongly(pair: Pair, share: float, alpha: float) -> bool:
    """Tell whether the calls were not split as wanted.

    Lindon and Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022: the same mixture, over the arms.
    """
    total = pair.candidate.calls + pair.baseline.calls
    return share_evidence(Arm(total, pair.candidate.calls), share) >= log(1 / alpha)


def _thinned(pair: Pair, plan: Plan) -> Pair:
    return Pair(pair.candidate.thinned(plan.calls_per_request), pair.baseline.thinned(plan.calls_per_request))


def _share(pair: Pair) -> str:
    return f"{pair.candidate.calls / (pair.candidate.calls + pair.baseline.calls):.1%}"


def _rates(pairs: list[Pair]) -> str:
    last = pairs[-1]
    return ", ".join(
        f"{name} {arm.hits:,.0f} of {arm.calls:,.0f}"
        for name, arm in (("candidate", last.candidate), ("baseline", last.baseline))
    )
