"""What one arm of a stage counted: sums that increases are added to, and what the evidence takes from them. Pure.

The statistics bring the latency's histogram and sum, so its variance is bounded from above by the upper ends of the
buckets. Of the cost they bring sums over the sampled calls, each weighed by 1/p: C and W. Each increase is a batch of
calls; with R = sum C / sum W, over batches,

    Var(R) = sum (C - R W)^2 / (sum W)^2

(the ratio estimator with batches as clusters: Cochran, Sampling Techniques, 3rd edition, chapter 6), so no record of a
call has to be read, and calls of one batch that resemble each other count as one.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import add, mul
from typing import Final, TypeAlias

from headrace_consumers.rollout.ratios import Mean
from headrace_schemas import CallStatistics
from headrace_schemas.latency import BOUNDS_S

__all__ = ["MIN_BATCHES", "Counted", "Scores", "Usage", "Vector", "p99_bound_s", "vector_of"]

Vector: TypeAlias = list[float]
"""calls, cancelled, errors, latency sum, sampled, weight, cost, unknown cost, and the latency's buckets."""

MIN_BATCHES: Final = 30
"""With fewer increases their variance is not known."""
_BUCKETS: Final = len(BOUNDS_S) + 1
_SQUARES: Final = tuple(end**2 for end in BOUNDS_S)
_HEAD: Final = 8
_SLOWEST: Final = 0.99
_MIN_CALLS_OF_BOUND: Final = 200


def vector_of(row: CallStatistics) -> Vector:
    """Return a row of a statistics record as numbers that only ever grow."""
    usage = row["usage"]
    return [
        row["calls"],
        row["cancelled"],
        sum(error["count"] for error in row["errors"]),
        row["latency_s_sum"],
        sum(each["sampled"] for each in usage),
        sum(each["weight"] for each in usage),
        sum(each["cost_usd"] for each in usage),
        sum(each["unknown_cost"] for each in usage),
        *(row["latency_counts"] or [0] * _BUCKETS),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Sums over batches of sampled calls.

    Attributes:
        batches: how many.
        sampled: calls in them whose cost is known.
        weight: W, calls that they stand for.
        cost_usd: C.
        weight_squares: of W; so the next two, of C, and the products of both.
    """

    batches: int = 0
    sampled: float = 0.0
    weight: float = 0.0
    cost_usd: float = 0.0
    weight_squares: float = 0.0
    cost_squares: float = 0.0
    products: float = 0.0

    def plus(self, sampled: float, weight: float, cost_usd: float) -> "Usage":
        """Return the sums with one more batch."""
        if not (sampled > 0 and weight > 0):
            return self
        return Usage(
            batches=self.batches + 1,
            sampled=self.sampled + sampled,
            weight=self.weight + weight,
            cost_usd=self.cost_usd + cost_usd,
            weight_squares=self.weight_squares + weight**2,
            cost_squares=self.cost_squares + cost_usd**2,
            products=self.products + weight * cost_usd,
        )

    @property
    def mean(self) -> Mean | None:
        """The mean cost of a call, USD; None: not known."""
        if self.batches < MIN_BATCHES:
            return None
        ratio = self.cost_usd / self.weight
        residuals = self.cost_squares - 2 * ratio * self.products + ratio**2 * self.weight_squares
        return Mean(self.sampled, ratio, max(0.0, residuals) / self.weight**2 * self.sampled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores that feedback gave.

    Attributes:
        scored: how many.
        total: their sum.
        squares: of their squares.
    """

    scored: int = 0
    total: float = 0.0
    squares: float = 0.0

    def plus(self, score: float) -> "Scores":
        """Return the sums with one more."""
        return Scores(scored=self.scored + 1, total=self.total + score, squares=self.squares + score**2)

    @property
    def mean(self) -> Mean | None:
        """Their mean; None: there are none."""
        if not self.scored:
            return None
        mean = self.total / self.scored
        return Mean(self.scored, mean, max(0.0, self.squares / self.scored - mean**2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The sums of one arm.

    Attributes:
        calls: that ended and were not cancelled.
        failures: of these.
        cancelled: calls that were told to end: no failures, but who has more of them keeps callers waiting.
        latency_s: the sum of all latencies, of cancelled calls too.
        latency_counts: calls by bucket, not cumulative; see `headrace_schemas.latency`.
        timed: calls since the bound of slow calls is known.
        slow: of these, those above it.
        usage: what the sampled ones cost.
    """

    calls: float = 0.0
    failures: float = 0.0
    cancelled: float = 0.0
    latency_s: float = 0.0
    latency_counts: tuple[float, ...] = (0.0,) * _BUCKETS
    timed: float = 0.0
    slow: float = 0.0
    usage: Usage = field(default_factory=Usage)

    def plus(self, grown: Vector, bound_s: float | None) -> "Counted":
        """Return the sums with an increase.

        Args:
            grown: see `Vector`.
            bound_s: above it a call is slow, a bound of the histogram; None: not known yet.
        """
        calls, cancelled, errors, latency_s, sampled, weight, cost_usd, unknown = grown[:_HEAD]
        counts = grown[_HEAD:]
        known = 1 - unknown / sampled if 0 < unknown <= sampled else 1.0
        return Counted(
            calls=self.calls + max(0.0, calls - cancelled),
            failures=self.failures + errors,
            cancelled=self.cancelled + cancelled,
            latency_s=self.latency_s + latency_s,
            latency_counts=tuple(map(add, self.latency_counts, counts)),
            timed=self.timed + (sum(counts) if bound_s is not None else 0.0),
            slow=self.slow + (_above(counts, bound_s) if bound_s is not None else 0.0),
            usage=self.usage.plus(sampled * known, weight * known, cost_usd),
        )

    @property
    def latency(self) -> Mean | None:
        """The mean latency, seconds, with a variance that is not too small; None: no call."""
        calls = sum(self.latency_counts)
        if not calls:
            return None
        mean = self.latency_s / calls
        squares = sum(map(mul, self.latency_counts, (*_SQUARES, _longest_s(self) ** 2)))
        return Mean(calls, mean, max(0.0, squares / calls - mean**2))

    @property
    def p99_s(self) -> float | None:
        """The bound that 99% of the calls are at most at; None: no call, or they are above all bounds."""
        reached = list(accumulate(self.latency_counts))
        at = bisect_left(reached, _SLOWEST * reached[-1])
        return BOUNDS_S[at] if reached[-1] and at < len(BOUNDS_S) else None

    @property
    def slowest_s(self) -> float:
        """How long calls take at most, but for one in a hundred; 0 without a call."""
        p99_s = self.p99_s
        if p99_s is None and self.latency_counts[-1]:
            return _longest_s(self)
        return p99_s or 0.0


def p99_bound_s(baseline: Counted, ratio: float) -> float | None:
    """Return the bound above which a call is slow: the first at or above `ratio` times the baseline's p99.

    Args:
        baseline: what it counted so far.
        ratio: see `Plan.max_latency_ratio`.

    Returns:
        None while there are too few calls; the last bound where the histogram has none so large.
    """
    if sum(baseline.latency_counts) < _MIN_CALLS_OF_BOUND:
        return None
    p99_s = baseline.p99_s
    if p99_s is None:
        return BOUNDS_S[-1]
    return next((bound_s for bound_s in BOUNDS_S if bound_s >= ratio * p99_s), BOUNDS_S[-1])


def _above(counts: Sequence[float], bound_s: float) -> float:
    return sum(counts[BOUNDS_S.index(bound_s) + 1 :])


def _longest_s(counted: Counted) -> float:
    """Return what stands for calls above all bounds: their mean at most, doubled, and not below the last bound."""
    above = counted.latency_counts[-1]
    return max(BOUNDS_S[-1], 2 * counted.latency_s / above) if above else 0.0
