"""What has to be proven before a candidate goes up, for decisions and for people who ask what is missing. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from headrace_consumers.rollout.plan import Plan
from headrace_consumers.rollout.proportions import Pair, bounds_of, is_below
from headrace_consumers.rollout.ratios import MIN_CALLS, Mean, ratio_bounds
from headrace_consumers.rollout.seen import Guard, Seen

__all__ = ["Proof", "proofs"]

_FAR: Final = 100.0
_NOTHING: Final = "nothing is proven yet"


@dataclass(frozen=True, slots=True)
class Proof:
    """A bound that the candidate has to be proven to be within.

    Attributes:
        guard: by which it is judged.
        what: is compared.
        claim: what is to be proven, as the end of a sentence.
        needs: how far it has to be, in words.
        is_met: whether it is proven.
        has: how far it is, in words.
    """

    guard: Guard
    what: str
    claim: str
    needs: str
    is_met: Callable[[], bool]
    has: Callable[[], str]


def proofs(plan: Plan, stages: Sequence[Seen]) -> list[Proof]:
    """Return all that has to be proven; what is not known is not proven.

    Args:
        plan: what was agreed on when the rollout began.
        stages: what was seen in each so far, the one at hand last; not empty.
    """
    failures = [seen.failures.thinned(plan.calls_per_request) for seen in stages]
    slow = [seen.slow.thinned(plan.calls_per_request) for seen in stages]
    margin, slow_margin = plan.stages[len(stages) - 1].margin, 2 * plan.slow_margin
    at_hand, alpha = stages[-1], plan.alpha_promote
    slower, dearer = f"{plan.max_latency_ratio:g} times", f"{plan.max_cost_ratio:g} times"
    found = [
        Proof(
            Guard.failures,
            "more failures than the baseline",
            f"at most {margin:.1%} more calls fail",
            f"below {margin:+.1%}",
            *_share(failures, margin, alpha),
        ),
        Proof(
            Guard.slow,
            "more slow calls than the baseline",
            f"at most {slow_margin:.1%} more calls are slow",
            f"below {slow_margin:+.1%}",
            *_share(slow, slow_margin, alpha),
        ),
        Proof(
            Guard.latency,
            "mean latency beside the baseline's",
            f"calls take at most {slower} as long",
            f"below {slower}",
            *_ratio(at_hand.latency, plan.max_latency_ratio, alpha),
        ),
    ]
    if any(_costs(seen) for seen in stages):
        cost = Proof(
            Guard.cost,
            "mean cost beside the baseline's",
            f"calls cost at most {dearer} as much; of either arm it takes {MIN_CALLS} sampled ones",
            f"below {dearer}, from {MIN_CALLS} sampled calls of either arm",
            *_ratio(at_hand.cost, plan.max_cost_ratio, alpha),
        )
        found.append(cost)
    return found


def _costs(seen: Seen) -> bool:
    """Tell whether anything is known to have cost something: two LMs that are free cost the same."""
    return seen.has_costs or (seen.cost is not None and any(each.mean > 0 for each in seen.cost))


def _share(pairs: list[Pair], margin: float, alpha: float) -> tuple[Callable[[], bool], Callable[[], str]]:
    """Return whether the candidate's share is proven to be above by less than `margin`, and how far that is."""

    def has() -> str:
        high = bounds_of(pairs, alpha)[1]
        return f"proven to be below {high:+.1%}" if high < 1 else _NOTHING

    return lambda: is_below(pairs, margin, alpha), has


def _ratio(means: tuple[Mean, Mean] | None, most: float, alpha: float) -> tuple[Callable[[], bool], Callable[[], str]]:
    """Return whether the ratio of the means is proven to be below `most`, and how far that is."""

    def high() -> float:
        return inf if means is None else ratio_bounds(*means, alpha)[1]

    def has() -> str:
        return f"proven to be below {bound:.2f} times" if (bound := high()) < _FAR else _NOTHING

    return lambda: high() < most, has
