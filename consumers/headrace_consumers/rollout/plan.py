"""How a rollout goes up, and what it may cost: its stages, margins and error rates."""

from dataclasses import dataclass
from typing import Final

from headrace.config import Config

__all__ = ["STAGES", "Plan", "Stage", "plan_of"]

_HOUR_S: Final = 3600.0
_DAY_S: Final = 24 * _HOUR_S


@dataclass(frozen=True, slots=True)
class Stage:
    """A share of the traffic for the candidate, and what ends it.

    Attributes:
        share: of all requests, above 0 and below 1.
        min_calls: of the candidate, before it goes further up.
        min_s: likewise, seconds.
        margin: it goes up once its failures are proven to be above the baseline's by less than this share of calls.
    """

    share: float
    min_calls: int
    min_s: float
    margin: float


STAGES: Final = (
    Stage(0.10, 200, _HOUR_S, 0.05),
    Stage(0.25, 300, _HOUR_S, 0.03),
    Stage(0.50, 500, 2 * _HOUR_S, 0.02),
)
"""10, 25, 50% and then all. The margin narrows as the stakes grow; the last one is what is promised."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rollout is decided by.

    Attributes:
        stages: from the first to the last before all traffic.
        slow_margin: of calls slower than `max_latency_ratio` times the baseline's p99, how many more the candidate may
            have: with more than 1% its own p99 is above that bound.
        max_latency_ratio: of the means, and of the p99.
        max_cost_ratio: of the means.
        min_score_ratio: of the mean scores that feedback gives; of means below 0, 2 less it.
        alpha_rollback: how often a candidate that is no worse may be rolled back; shared by the guards.
        alpha_promote: how often a candidate that is worse by the last margin may get all traffic.
        alpha_split: how often a right split of the traffic may be called wrong.
        max_s: without evidence by then the candidate is taken back, seconds.
        calls_per_request: calls that come together, and so prove no more than one.
    """

    stages: tuple[Stage, ...] = STAGES
    slow_margin: float = 0.01
    max_latency_ratio: float = 1.5
    max_cost_ratio: float = 1.5
    min_score_ratio: float = 0.9
    alpha_rollback: float = 0.05
    alpha_promote: float = 0.05
    alpha_split: float = 0.001
    max_s: float = 30 * _DAY_S
    calls_per_request: float = 1.0


def plan_of(config: Config) -> Plan:
    """Return by what rollouts are decided that begin now."""
    rollout = config.rollout
    return Plan(
        stages=tuple(Stage(each.share, each.min_calls, each.min_s, each.margin) for each in rollout.stages),
        slow_margin=rollout.slow_margin,
        max_latency_ratio=rollout.max_latency_ratio,
        max_cost_ratio=rollout.max_cost_ratio,
        min_score_ratio=rollout.min_score_ratio,
        alpha_rollback=rollout.alpha_rollback,
        alpha_promote=rollout.alpha_promote,
        alpha_split=rollout.alpha_split,
        max_s=rollout.max_days * _DAY_S,
        calls_per_request=rollout.calls_per_request,
    )
