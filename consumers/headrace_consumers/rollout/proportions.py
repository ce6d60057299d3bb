"""How much the counts of two arms say against a difference of their shares, at whatever time one looks. Pure.

For n calls of which f failed, the mixture

    M(p) = B(f + 1/2, n - f + 1/2) / B(1/2, 1/2) / (p^f (1 - p)^(n - f))

of likelihood ratios is a martingale that begins at 1 where p is the true share, so it ever reaches 1/alpha with a
probability of at most alpha (Ville 1939; Robbins, Statistical methods related to the law of the iterated logarithm,
Annals of Mathematical Statistics 41, 1970; Howard, Ramdas, McAuliffe and Sekhon, Time-uniform, nonparametric,
nonasymptotic confidence sequences, Annals of Statistics 49, 2021). So does the product over both arms, and over stages
with shares of their own. The evidence against a difference d is the least that the product can be where the
candidate's share is the baseline's plus d, in nats:

    L(d) = sum over stages of min over p of ln M_baseline(p) + ln M_candidate(p + d)

What fails more often in both arms alike, an outage of the model, say, moves no difference; and as each stage has a
share of its own, neither does a change of the traffic's split. L is convex, so {d: L(d) < ln(1/alpha)} is an interval:
a confidence sequence. Calls are taken to be independent; `per_request` thins out those that come together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, lgamma, log, nan
from typing import Final

__all__ = ["Arm", "Pair", "bounds_of", "evidence_against", "is_above", "is_below", "share_evidence"]

_PRIOR: Final = 0.5
_LOG_BETA_PRIOR: Final = 2 * lgamma(_PRIOR) - lgamma(2 * _PRIOR)
_HALVINGS: Final = 60
_EDGE: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Arm:
    """What was counted in one arm.

    Attributes:
        calls: how many.
        hits: of these, those that are counted: failures, say.
    """

    calls: float
    hits: float

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.calls:
            raise ValueError(f"{self.hits} of {self.calls} calls")

    def thinned(self, per_request: float) -> "Arm":
        """Return the arm as if of so many calls that come together one were counted."""
        return self if per_request <= 1 else Arm(self.calls / per_request, self.hits / per_request)


@dataclass(frozen=True, slots=True)
class Pair:
    """Both arms over the same time, at one split of the traffic: a stage."""

    candidate: Arm
    baseline: Arm

    def thinned(self, per_request: float) -> "Pair":
        """Return both arms as if so many calls were one."""
        return Pair(self.candidate.thinned(per_request), self.baseline.thinned(per_request))


def evidence_against(pairs: Sequence[Pair], difference: float) -> float:
    """Return the evidence in nats against `candidate's share - baseline's share = difference`.

    With probability 1 - alpha it never reaches ln(1/alpha) where the difference is true.

    Args:
        pairs: a stage each.
        difference: between -1 and 1.
    """
    return sum(_look(pair, difference)[0] for pair in pairs)


def is_above(pairs: Sequence[Pair], difference: float, alpha: float) -> bool:
    """Tell whether the candidate's share is proven to be above the baseline's by more than `difference`."""
    if all(_excess(pair, difference) <= 0 for pair in pairs):  # as mostly: no slope can lead further up
        return False
    evidence, slope = _looks(pairs, difference)
    return evidence >= log(1 / alpha) and slope < 0


def is_below(pairs: Sequence[Pair], difference: float, alpha: float) -> bool:
    """Tell whether the candidate's share is proven to be above the baseline's by less than `difference`, or below."""
    if all(_excess(pair, difference) >= 0 for pair in pairs):
        return False
    evidence, slope = _looks(pairs, difference)
    return evidence >= log(1 / alpha) and slope > 0


def bounds_of(pairs: Sequence[Pair], alpha: float) -> tuple[float, float]:
    """Return the interval of differences that holds the true one at all times at once, with probability 1 - alpha.

    Where even the likeliest difference is refuted (which the truth is with probability alpha at most), the interval
    is that point.
    """
    low, high = -1 + _EDGE, 1 - _EDGE
    likeliest = _halved(lambda difference: _looks(pairs, difference)[1] >= 0, low, high)
    limit = log(1 / alpha)

    def is_refuted(difference: float) -> bool:
        return evidence_against(pairs, difference) >= limit

    if is_refuted(likeliest):
        return likeliest, likeliest
    lower = _halved(lambda difference: not is_refuted(difference), low, likeliest) if is_refuted(low) else -1.0
    upper = _halved(is_refuted, likeliest, high) if is_refuted(high) else 1.0
    return lower, upper


def share_evidence(arm: Arm, share: float) -> float:
    """Return the evidence in nats against one arm's share of hits being `share`, between 0 and 1."""
    return _mixture(arm) - _likelihood(arm, share)


def _excess(pair: Pair, difference: float) -> float:
    """Return a number with the sign of the counted difference less `difference`; not a number without calls."""
    candidate, baseline = pair.candidate, pair.baseline
    calls = candidate.calls * baseline.calls
    return candidate.hits * baseline.calls - baseline.hits * candidate.calls - difference * calls if calls else nan


def _looks(pairs: Sequence[Pair], difference: float) -> tuple[float, float]:
    looks = [_look(pair, difference) for pair in pairs]
    return sum(evidence for evidence, _ in looks), sum(slope for _, slope in looks)


@lru_cache(maxsize=4_096)  # stages that are over say the same at each look
def _look(pair: Pair, difference: float) -> tuple[float, float]:
    """Return the evidence against a difference, and its slope there.

    At the likeliest shares the slope is the same by either arm, but where one of them is 0 or 1: then it is the other
    arm that moves with the difference.
    """
    candidate, baseline = pair.candidate, pair.baseline
    low, high = max(0.0, -difference) + _EDGE, min(1.0, 1 - difference) - _EDGE
    share = _likeliest(pair, difference, low, max(low, high))
    there = _likelihood(baseline, share) + _likelihood(candidate, share + difference)
    is_candidate_at_end = (share - low < high - share) == (difference < 0)
    slope = _gain(baseline, share) if is_candidate_at_end else -_gain(candidate, share + difference)
    return _mixture(candidate) + _mixture(baseline) - there, slope


def _mixture(arm: Arm) -> float:
    hits, others = arm.hits + _PRIOR, arm.calls - arm.hits + _PRIOR
    return lgamma(hits) + lgamma(others) - lgamma(hits + others) - _LOG_BETA_PRIOR


def _likelihood(arm: Arm, share: float) -> float:
    return _times_log(arm.hits, share) + _times_log(arm.calls - arm.hits, 1 - share)


def _gain(arm: Arm, share: float) -> float:
    """Return the slope of the likelihood's logarithm; it falls with the share."""
    return arm.hits / max(share, _EDGE) - (arm.calls - arm.hits) / max(1 - share, _EDGE)


def _likeliest(pair: Pair, difference: float, low: float, high: float) -> float:
    """Return the baseline's share at which both arms are likeliest: Newton's steps, halved where they lead out.

    Most of a look's time goes here, so the slope (`_gain` of both arms) and how fast it falls are written out.
    """
    hits, others = pair.baseline.hits, pair.baseline.calls - pair.baseline.hits
    its_hits, its_others = pair.candidate.hits, pair.candidate.calls - pair.candidate.hits
    calls = pair.candidate.calls + pair.baseline.calls
    share = (hits + its_hits - pair.candidate.calls * difference) / calls if calls else low
    for _ in range(_HALVINGS):
        if not low < share < high:
            share = (low + high) / 2
        hit, its = max(share, _EDGE), max(share + difference, _EDGE)
        miss, its_miss = max(1 - share, _EDGE), max(1 - share - difference, _EDGE)
        parts = hits / hit, others / miss, its_hits / its, its_others / its_miss
        slope = parts[0] - parts[1] + parts[2] - parts[3]
        low, high = (share, high) if slope > 0 else (low, share)
        bend = parts[0] / hit + parts[1] / miss + parts[2] / its + parts[3] / its_miss
        step = slope / bend if bend else 0.0
        share += step
        if -_EDGE <= step <= _EDGE:
            break
    return min(max(share, low), high)


def _times_log(count: float, share: float) -> float:
    if count == 0:
        return 0.0
    return count * log(share) if share > 0 else -inf


def _halved(is_beyond: Callable[[float], bool], low: float, high: float) -> float:
    """Return where, between two points, a condition begins to hold."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if is_beyond(middle):
            high = middle
        else:
            low = middle
    return (low + high) / 2
