"""A service in the simulation of rollouts: calls that take time, fail, hang and are cancelled, and its reports.

calls begin at random --an arm each, by the share of the stage at hand--> end, fail or are cancelled later
what ended by a look --> a report for each stage and arm, those begun before the stage changed under the stage before
a sample of the calls --> what they cost, each with the weight of those that it stands for
"""

from dataclasses import dataclass, fields
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headrace_consumers.rollout.counted import Vector
from headrace_schemas.latency import BOUNDS_S
from headrace_schemas.rollouts import BASELINE, CANDIDATE

__all__ = ["Calls", "Report", "Service", "Traffic"]

_SPREAD: Final = 0.5
"""Deviation of the logarithm of the time that calls take: 99 in 100 take at most 3.2 times the median."""
_STUCK: Final = 0.006
_STUCK_TIMES: Final = (10.0, 15.0)
"""So many calls, of either arm, take so many times as long: the tail that language models have."""
_FAILS_SOON: Final = 0.1
"""Calls that fail take so much of the time that they would have taken else."""
_COST_SPREAD: Final = 0.7
"""Deviation of the logarithm of what calls cost."""
_HEAD: Final = 8
_WIDTH: Final = _HEAD + len(BOUNDS_S) + 1
_CALLS, _CANCELLED, _ERRORS, _LATENCY_S, _SAMPLED, _WEIGHT, _COST_USD = range(7)
_ARMS: Final = (BASELINE, CANDIDATE)
_BLOCK_CALLS: Final = 3_000
"""So many are drawn at once."""

Floats: TypeAlias = NDArray[np.float64]
Report: TypeAlias = tuple[int, str, Vector]
"""The number of a stage, an arm, and what its counters grew by."""


@dataclass(frozen=True, slots=True)
class Calls:
    """How the calls of an arm go.

    Attributes:
        fails: share of the calls.
        takes_s: the median of those that succeed.
        hangs: share of the calls that never end by themselves.
        patience_s: so long callers wait before they cancel.
        cost_usd: the mean.
    """

    fails: float = 0.05
    takes_s: float = 2.0
    hangs: float = 0.0
    patience_s: float = 30.0
    cost_usd: float = 0.01


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many calls there are, and how often the figures are looked at.

    Attributes:
        calls_a_day: of both arms.
        look_s: between two looks, seconds.
        reports: of each arm between two looks.
        sampled: share of the calls whose cost is told.
    """

    calls_a_day: int
    look_s: float
    reports: int
    sampled: float

    @property
    def calls_a_look(self) -> float:
        """How many calls begin between two looks, on average."""
        return self.calls_a_day * self.look_s / 86_400


@dataclass(slots=True)
class _Drawn:
    """Calls, a row each: the stage that they were routed in, their arm, and how they go."""

    number: NDArray[np.int64]
    arm: NDArray[np.int64]
    began: Floats
    ended: Floats
    failed: NDArray[np.bool_]
    cancelled: NDArray[np.bool_]
    sampled: NDArray[np.bool_]
    cost_usd: Floats

    def where(self, which: NDArray[np.bool_]) -> "_Drawn":
        return _Drawn(*(getattr(self, each.name)[which] for each in fields(self)))

    def plus(self, other: "_Drawn") -> "_Drawn":
        pairs = ((getattr(self, each.name), getattr(other, each.name)) for each in fields(self))
        return _Drawn(*(np.concatenate(pair) for pair in pairs))


class Service:
    """Serves calls, and tells at each look of those that have ended since the one before.

    Args:
        random: draws them.
        traffic: how many.
        baseline: how its calls go.
        candidate: likewise.

    Attributes:
        candidate_calls: calls of the candidate that have begun.
    """

    def __init__(self, random: np.random.Generator, traffic: Traffic, baseline: Calls, candidate: Calls) -> None:
        self.candidate_calls = 0
        self._random = random
        self._traffic = traffic
        self._how = (baseline, candidate)
        self._looks = 0
        self._stage = (0, 0.0)
        self._drawn: _Drawn | None = None
        self._reports: list[tuple[int, str, Floats]] = []
        self._begun: list[int] = []
        self._at = 0

    @property
    def now_s(self) -> float:
        """The time of the last look."""
        return self._looks * self._traffic.look_s

    def begin(self, number: int, share: float) -> None:
        """Begin a stage: what is under way goes on as it began.

        Args:
            number: of the stage.
            share: of the calls, the candidate's.
        """
        self._stage = (number, share)
        self._draw()

    def look(self) -> list[Report]:
        """Return what the counters grew by since the last look."""
        if self._at == len(self._begun):
            self._draw()
        at = self._at
        self._at += 1
        self._looks += 1
        self.candidate_calls += self._begun[at]
        reports = range(at * self._traffic.reports, (at + 1) * self._traffic.reports)
        return [
            (number, arm, found[report].tolist())
            for number, arm, found in self._reports
            for report in reports
            if found[report, _CALLS]
        ]

    def _draw(self) -> None:
        number, share = self._stage
        now_s, look_s = self.now_s, self._traffic.look_s
        looks = max(1, round(_BLOCK_CALLS / self._traffic.calls_a_look))
        began = now_s + self._random.uniform(
            0, looks * look_s, self._random.poisson(looks * self._traffic.calls_a_look)
        )
        is_candidate = self._random.random(len(began)) < share
        arms = [self._ended(at, number, began[is_candidate == bool(at)]) for at in range(len(_ARMS))]
        begun = np.histogram(arms[1].began, looks, (now_s, now_s + looks * look_s))[0]
        drawn = arms[0].plus(arms[1])
        if self._drawn is not None:
            under_way = (self._drawn.began <= now_s) & (self._drawn.ended > now_s)
            drawn = drawn.plus(self._drawn.where(under_way))
        self._drawn, self._at, self._begun = drawn, 0, [int(each) for each in begun]
        reports = self._traffic.reports
        self._reports = _reports(drawn, now_s, looks * reports, look_s / reports, self._traffic.sampled)

    def _ended(self, arm: int, number: int, began: Floats) -> _Drawn:
        how, random, count = self._how[arm], self._random, len(began)
        latency_s = how.takes_s * random.lognormal(0, _SPREAD, count)
        stuck = random.random(count) < _STUCK
        latency_s = np.where(stuck, how.takes_s * random.uniform(*_STUCK_TIMES, count), latency_s)
        failed = random.random(count) < how.fails
        latency_s = np.where(failed, latency_s * _FAILS_SOON, latency_s)
        latency_s = np.where(random.random(count) < how.hangs, np.inf, latency_s)
        cancelled = latency_s > how.patience_s
        ended = began + np.minimum(latency_s, how.patience_s)
        sampled = random.random(count) < self._traffic.sampled
        cost_usd = np.zeros(count)
        cost_usd[sampled] = how.cost_usd * random.lognormal(-(_COST_SPREAD**2) / 2, _COST_SPREAD, sampled.sum())
        number_of, arm_of = np.full(count, number), np.full(count, arm)
        return _Drawn(number_of, arm_of, began, ended, failed & ~cancelled, cancelled, sampled, cost_usd)


def _reports(drawn: _Drawn, now_s: float, reports: int, report_s: float, share: float) -> list[tuple[int, str, Floats]]:
    """Return the number of a stage, an arm, and what its counters grow by until each report.

    Args:
        drawn: the calls.
        now_s: when the first one's time begins.
        reports: how many.
        report_s: between two of them.
        share: of the calls that are sampled.
    """
    latency_s = drawn.ended - drawn.began
    report = np.maximum(0, np.ceil((drawn.ended - now_s) / report_s).astype(np.int64) - 1)
    bucket = _HEAD + np.searchsorted(BOUNDS_S, latency_s)
    found = []
    for number in np.unique(drawn.number):
        for arm, name in enumerate(_ARMS):
            which = (drawn.number == number) & (drawn.arm == arm) & (report < reports)
            if not which.any():
                continue
            at = report[which] * _WIDTH
            grown = np.bincount(at + bucket[which], minlength=reports * _WIDTH).astype(float)
            for column, weights in (
                (_CALLS, None),
                (_CANCELLED, drawn.cancelled[which]),
                (_ERRORS, drawn.failed[which]),
                (_LATENCY_S, latency_s[which]),
                (_SAMPLED, drawn.sampled[which]),
                (_WEIGHT, drawn.sampled[which] / share),
                (_COST_USD, drawn.cost_usd[which] / share),
            ):
                grown += np.bincount(at + column, weights, minlength=reports * _WIDTH)
            found.append((int(number), name, grown.reshape(reports, _WIDTH)))
    return found
