"""What the figures of a rollout mean: hold, go up a stage, take the candidate back, or halt. Pure.

Guards, each with a part of `alpha_rollback`, so that all together a candidate that is no worse is rolled back with at
most that probability, however often one looks:

    failures   half of it    more failures than the baseline, by any amount
    slow       a sixth       over `slow_margin` more calls above the latency bound fixed at the start
    latency    a twelfth     mean above `max_latency_ratio` times the baseline's, in the stage at hand
    score      a twelfth     mean score of feedback below the baseline's by over 1 - `min_score_ratio` of its size
    cost       a twelfth     mean above `max_cost_ratio` times the baseline's, in the stage at hand
    cancelled  a twelfth     over `slow_margin` more calls that callers did not wait for

A breach takes the candidate back at once, whatever the stage's least calls and time. It goes up when both are reached
and failures, slow calls, mean latency and, where any is reported, cost are proven to be within their margins.

A call is counted when it ends, so at a stage's beginning those that end soon are too many. Let L be the longest that
calls take, but for one in a hundred. Of an arm that counted n calls in a stage of age t, n L / t more may be under way.
From an age of 3 L on more failures, or cancelled calls, are a breach, even if none of the candidate's that are under
way is one; from 10 L on the candidate may go up, and a split is wrong (after two minutes, which is how long callers
may wait for a candidate that hangs) if no such number of them makes it right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log
from typing import Final

from headrace_consumers.rollout.plan import Plan
from headrace_consumers.rollout.proofs import proofs
from headrace_consumers.rollout.proportions import Arm, Pair, is_above, share_evidence
from headrace_consumers.rollout.ratios import Mean, difference_bounds, ratio_bounds
from headrace_consumers.rollout.seen import Guard, Seen

__all__ = ["Decision", "Guard", "Seen", "Verdict", "decide"]

_OF_FAILURES: Final = 1 / 2
_OF_SLOW: Final = 1 / 6
_OF_LATENCY: Final = 1 / 12
_OF_SCORE: Final = 1 / 12
_OF_COST: Final = 1 / 12
_OF_CANCELLED: Final = 1 / 12
_FAILS_AFTER: Final = 3
"""Times the longest that calls take; see above."""
_MOST_FAILS_AFTER_S: Final = 600.0
_SPLIT_AFTER_S: Final = 120.0
"""Callers of a candidate that hangs have cancelled by then, mostly."""


class Verdict(StrEnum):
    """What is to be done."""

    HOLD = "hold"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, the one line that says why, and what it rests on."""

    verdict: Verdict
    reason: str
    guard: Guard


def decide(plan: Plan, stages: Sequence[Seen]) -> Decision:
    """Return what follows from all that was seen.

    Args:
        plan: what was agreed on when the rollout began.
        stages: what was seen in each so far, the one at hand last; not empty.
    """
    failures = [seen.failures.thinned(plan.calls_per_request) for seen in stages]
    slow = [seen.slow.thinned(plan.calls_per_request) for seen in stages]
    cancelled = [seen.cancelled.thinned(plan.calls_per_request) for seen in stages if seen.cancelled is not None]
    ended = cancelled[-1] if cancelled else failures[-1]
    at_hand, stage = stages[-1], plan.stages[len(stages) - 1]
    if (breach := _breach(plan, failures, slow, cancelled, at_hand)) is not None:
        return Decision(Verdict.ROLLBACK, breach[1], breach[0])
    is_split_known = at_hand.is_settled and at_hand.age_s >= _SPLIT_AFTER_S
    if is_split_known and _is_split_wrongly(ended, at_hand.under_way, stage.share, plan.alpha_split):
        reason = f"the candidate has {_share(ended)} of the calls that ended, not {stage.share:.0%}"
        return Decision(Verdict.HALT, reason, Guard.shares)
    held = _held(plan, stages)
    if sum(seen.elapsed_s for seen in stages) >= plan.max_s:
        reason = "no evidence in the time that was given" + ("" if held is None else f": {held.reason}")
        return Decision(Verdict.ROLLBACK, reason, Guard.time)
    return held or Decision(Verdict.PROMOTE, f"at most {stage.margin:.1%} more calls fail", Guard.failures)


def _held(plan: Plan, stages: Sequence[Seen]) -> Decision | None:
    """Return what still holds the candidate back; None: nothing does."""
    at_hand, stage = stages[-1], plan.stages[len(stages) - 1]
    calls = at_hand.failures.candidate.calls
    if calls < stage.min_calls or at_hand.elapsed_s < stage.min_s:
        reason = f"{calls:,.0f} of {stage.min_calls:,} calls, {at_hand.elapsed_s:,.0f} of {stage.min_s:,.0f} s"
        return Decision(Verdict.HOLD, reason, Guard.minimum)
    if not at_hand.is_settled:
        reason = f"calls take up to {at_hand.p99_s:.3g} s, and {at_hand.age_s:,.0f} s ago the stage began"
        return Decision(Verdict.HOLD, reason, Guard.minimum)
    lacking = next((proof for proof in proofs(plan, stages) if not proof.is_met()), None)
    if lacking is not None:
        return Decision(Verdict.HOLD, f"not proven that {lacking.claim}", lacking.guard)
    return None


def _breach(
    plan: Plan, failures: list[Pair], slow: list[Pair], cancelled: list[Pair], at_hand: Seen
) -> tuple[Guard, str] | None:
    alpha, begins_anew = plan.alpha_rollback, len(plan.stages)  # means do in each stage
    if not at_hand.is_young(_FAILS_AFTER, _MOST_FAILS_AFTER_S):
        if is_above(_at_best(failures, at_hand.under_way), 0.0, alpha * _OF_FAILURES):
            return Guard.failures, f"fails more often: {_rates(failures)}"
        if is_above(_at_best(cancelled, at_hand.under_way), plan.slow_margin, alpha * _OF_CANCELLED):
            return Guard.cancelled, f"cancelled more often: {_rates(cancelled)}"
    if is_above(slow, plan.slow_margin, alpha * _OF_SLOW):
        return Guard.slow, f"slow more often: {_rates(slow)}"
    latency, cost, score = at_hand.latency, at_hand.cost, at_hand.score
    if latency is not None and ratio_bounds(*latency, alpha * _OF_LATENCY / begins_anew)[0] > plan.max_latency_ratio:
        return Guard.latency, f"slower: {_means(latency, '{:.3g} s')}"
    if cost is not None and ratio_bounds(*cost, alpha * _OF_COST / begins_anew)[0] > plan.max_cost_ratio:
        return Guard.cost, f"dearer: {_means(cost, '${:.3g}')}"
    if score is not None and _is_liked_less(score, plan.min_score_ratio, alpha * _OF_SCORE):
        return Guard.score, f"liked less: {_means(score, '{:.3g}')}"
    return None


def _is_liked_less(score: tuple[Mean, Mean], ratio: float, alpha: float) -> bool:
    """Tell whether the candidate's mean is proven to be below `ratio` times the baseline's.

    Of a mean below 0 the mirror image holds, 2 - `ratio` times it. Which of the two the baseline's has is not known for
    certain, so both have to be proven; each at `alpha`, as what refutes either candidate has to refute both.
    """
    return all(difference_bounds(*score, alpha, factor)[1] < 0 for factor in (ratio, 2 - ratio))


def _means(pair: tuple[Mean, Mean], form: str) -> str:
    return f"a mean of {form.format(pair[0].mean)}, the baseline's is {form.format(pair[1].mean)}"


def _is_split_wrongly(pair: Pair, under_way: float, share: float, alpha: float) -> bool:
    """Tell whether the calls were not split as wanted, whichever of them are still under way.

    Lindon and Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022: the same mixture, over the arms.
    """
    here, others = pair.candidate.calls, pair.baseline.calls
    due = share / (1 - share) * others
    if here < due:
        here = min(due, here * (1 + under_way))
    else:
        others = min(here * (1 - share) / share, others * (1 + under_way))
    return share_evidence(Arm(here + others, here), share) >= log(1 / alpha)


def _at_best(pairs: list[Pair], under_way: float) -> list[Pair]:
    """Return them with no hit among the candidate's calls that are under way."""
    if not pairs:
        return pairs
    last = pairs[-1]
    return [*pairs[:-1], Pair(Arm(last.candidate.calls * (1 + under_way), last.candidate.hits), last.baseline)]


def _share(pair: Pair) -> str:
    return f"{pair.candidate.calls / (pair.candidate.calls + pair.baseline.calls):.1%}"


def _rates(pairs: list[Pair]) -> str:
    last = pairs[-1]
    return ", ".join(
        f"{name} {arm.hits:,.0f} of {arm.calls:,.0f}"
        for name, arm in (("candidate", last.candidate), ("baseline", last.baseline))
    )
