"""A row for each module, signature, version and environment: its calls of late, beside the thresholds. Pure."""

from dataclasses import dataclass, replace
from typing import Final

from headrace.config import Config
from headrace_consumers.monitoring.catalogue import calls
from headrace_consumers.monitoring.catalogue.samples import CALL_COST
from headrace_consumers.top.figures import Figures
from headrace_consumers.top.quantile import Between, between, count_above

__all__ = ["CallRow", "call_rows"]

_HOUR_S: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """What is shown of a module.

    Attributes:
        module, signature, version, environment: whose calls.
        calls_per_s: calls that ended, a second; None: there is one reading only.
        success: share of the calls, without those that were cancelled, that succeeded; None: there was none.
        p50, p99: between which bounds the latency's quantiles lie, seconds.
        cost_p99: likewise of a call's cost, USD; an estimate.
        cost_usd_per_h, tokens_per_h: estimates from the sampled calls.
        sampled: share of the calls that were sampled.
        is_failing, is_slow, is_dear: beyond the threshold of success, p99 latency, p99 cost.
    """

    module: str
    signature: str
    version: str
    environment: str
    calls_per_s: float | None
    success: float | None = None
    p50: Between | None = None
    p99: Between | None = None
    cost_p99: Between | None = None
    cost_usd_per_h: float = 0.0
    tokens_per_h: float = 0.0
    sampled: float | None = None
    is_failing: bool = False
    is_slow: bool = False
    is_dear: bool = False

    @property
    def is_bad(self) -> bool:
        """Whether a threshold is passed."""
        return self.is_failing or self.is_slow or self.is_dear


def call_rows(figures: Figures, config: Config) -> list[CallRow]:
    """Return the rows: what is bad first, then by how many calls there were, then by name.

    One bad call among few is no sign yet: a threshold counts as passed from `alerts.min_bad_calls` bad calls on.

    Args:
        figures: of the metrics consumers.
        config: its `quality_thresholds` and `alerts.min_bad_calls`.
    """
    whose = ("module", "signature", "version", "environment")
    limits, enough = config.quality_thresholds, config.alerts.min_bad_calls
    rates = figures.rates(calls.CALLS_TOTAL, *whose)
    ended = figures.grown(calls.CALLS_TOTAL, *whose)
    cancelled = figures.grown(calls.CALLS_CANCELLED, *whose)
    failed = figures.grown(calls.CALL_ERRORS, *whose)
    sampled = figures.grown(calls.CALLS_SAMPLED, *whose)
    cost, tokens = figures.rates(calls.COST, *whose), figures.rates(calls.TOKENS, *whose)
    latencies, costs = figures.buckets(calls.CALL_DURATION, *whose), figures.buckets(CALL_COST, *whose)
    totals = figures.values(calls.CALLS_TOTAL, *whose)
    rows: list[CallRow] = []
    for names in sorted(totals, key=lambda each: (-totals[each], each)):
        module, signature, version, environment = names
        row = CallRow(module=module, signature=signature, version=version, environment=environment, calls_per_s=None)
        if not figures.over_s:
            rows.append(row)
            continue
        counted = ended.get(names, 0.0) - cancelled.get(names, 0.0)
        bad = failed.get(names, 0.0)
        success = max(0.0, 1 - bad / counted) if counted > 0 else None
        p99, cost_p99 = between(latencies.get(names, {}), 0.99), between(costs.get(names, {}), 0.99)
        rows.append(
            replace(
                row,
                calls_per_s=rates.get(names, 0.0),
                success=success,
                p50=between(latencies.get(names, {}), 0.5),
                p99=p99,
                cost_p99=cost_p99,
                cost_usd_per_h=cost.get(names, 0.0) * _HOUR_S,
                tokens_per_h=tokens.get(names, 0.0) * _HOUR_S,
                # What a call used may be told an interval after its end.
                sampled=min(1.0, sampled.get(names, 0.0) / ended[names]) if ended.get(names) else None,
                is_failing=success is not None and success < limits.min_success_rate and bad >= enough,
                is_slow=_passes(p99, latencies.get(names, {}), limits.max_latency_p99_ms / 1000, enough),
                is_dear=_passes(cost_p99, costs.get(names, {}), limits.max_cost_p99_usd, enough),
            )
        )
    return sorted(rows, key=lambda row: not row.is_bad)


def _passes(p99: Between | None, cumulative: dict[float, float], limit: float, enough: float) -> bool:
    return p99 is not None and p99.exceeds(limit) and count_above(cumulative, limit) >= enough
