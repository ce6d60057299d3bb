"""The numbers behind a decision, as JSON values: what each arm counted, and what that proves. Pure."""

from typing import Any, Final

from headrace_consumers.rollout.counted import Counted
from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.proportions import bounds_of
from headrace_consumers.rollout.ratios import Mean, difference_bounds, ratio_bounds

__all__ = ["numbers_of"]

_DIGITS: Final = 6


def numbers_of(experiment: Experiment, now_ms: int) -> dict[str, Any]:
    """Return what was counted, by arm in the stage at hand, and the intervals over all stages.

    `more_failures` is the interval of the candidate's share of failures less the baseline's, at a level of
    1 - alpha_promote at all times at once.
    """
    stage, plan = experiment.at_hand, experiment.plan
    seen = experiment.seen(now_ms)
    thinned = [each.failures.thinned(plan.calls_per_request) for each in seen]
    alpha = plan.alpha_promote
    numbers: dict[str, Any] = {
        "stage": stage.number,
        "share": stage.share,
        "elapsed_s": round(stage.elapsed_s(now_ms)),
        "all_elapsed_s": round(sum(each.elapsed_s for each in seen)),
        "candidate": _arm(stage.candidate),
        "baseline": _arm(stage.baseline),
        "more_failures": _rounded(bounds_of(thinned, alpha)),
        "latency_ratio": _ratio(seen[-1].latency, alpha),
        "cost_ratio": _ratio(seen[-1].cost, alpha),
        "score_difference": _difference(seen[-1].score, alpha),
        "slow_above_s": experiment.bound_s,
    }
    scores = {"candidate": experiment.candidate_scores.mean, "baseline": experiment.baseline_scores.mean}
    numbers["scores"] = {
        arm: {"scored": mean.calls, "mean": round(mean.mean, _DIGITS)} for arm, mean in scores.items() if mean
    }
    return numbers


def _arm(counted: Counted) -> dict[str, Any]:
    latency, cost = counted.latency, counted.usage.mean
    return {
        "calls": counted.calls,
        "failures": counted.failures,
        "cancelled": counted.cancelled,
        "slow": counted.slow,
        "mean_latency_s": None if latency is None else round(latency.mean, _DIGITS),
        "p99_s": counted.p99_s,
        "mean_cost_usd": None if cost is None else round(cost.mean, 9),
    }


def _ratio(pair: tuple[Mean, Mean] | None, alpha: float) -> list[float] | None:
    if pair is None:
        return None
    low, high = ratio_bounds(*pair, alpha)
    return _rounded((low, high)) if high < float("inf") else None


def _difference(pair: tuple[Mean, Mean] | None, alpha: float) -> list[float] | None:
    if pair is None:
        return None
    low, high = difference_bounds(*pair, alpha)
    return _rounded((low, high)) if high < float("inf") else None


def _rounded(bounds: tuple[float, float]) -> list[float]:
    return [round(bound, _DIGITS) for bound in bounds]
