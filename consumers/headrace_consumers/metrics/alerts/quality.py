"""Success rate, p99 latency and p99 cost of each module and signature: the document's thresholds.

A p99 is above a bound of the histogram exactly when more than 1% of the calls are: so they are counted, and the
quantile, which is interpolated between two bounds, only tells people how bad it is. It is asked for by the text of an
alert that fires: for all modules at each evaluation it would take Prometheus longer than all other rules together.
"""

from collections.abc import Sequence
from typing import Final

from headrace.config.alerts import Alerts
from headrace.config.consumers import QualityThresholds
from headrace_consumers.metrics.alerts.counted import MODULE, recorded
from headrace_consumers.metrics.alerts.promql import (
    at_most,
    computed,
    figure,
    grown,
    listed,
    named,
    number,
    percent,
    total,
)
from headrace_consumers.metrics.alerts.rule import Alert, Group, Recording, duration, spoken
from headrace_schemas.latency import BOUNDS_S

__all__ = ["CALLS", "ENVIRONMENT", "SUBJECT", "quality"]

SUBJECT: Final = (("Module", "{{ $labels.module }}"), ("Signature", "{{ $labels.signature }}"))
ENVIRONMENT: Final = ("Environment", "{{ $labels.environment }}")
CALLS: Final = '{{ printf "%.0f" . }}'
SHARE: Final = "{{ . | humanizePercentage }}"

_BEYOND_P99: Final = 0.01
_MS: Final = 1000.0
_LATENCY: Final = "gen_ai_client_operation_duration_seconds"
_COST: Final = "headrace_call_cost_usd"


def quality(thresholds: QualityThresholds, alerts: Alerts, counted: Sequence[Recording | Alert]) -> Group:
    """Return the rules of the document's thresholds.

    Args:
        thresholds: of success, latency (a bound of the histogram) and cost.
        alerts: the window, and how much there must be in it.
        counted: what records the calls and failures of the window, to be evaluated with these rules: then all figures
            of an alert's text are of one moment. None where that is done elsewhere.
    """
    window_s = alerts.window_s
    return Group(
        "headrace-quality",
        (
            *counted,
            Recording(recorded("timed_calls", window_s), _increase(_LATENCY, "_count", window_s)),
            Recording(
                recorded("slow_calls", window_s),
                f"{recorded('timed_calls', window_s)} - "
                f"{_increase(_LATENCY, '_bucket', window_s, at_most(thresholds.max_latency_p99_ms / _MS))}",
            ),
            Recording(recorded("sampled_calls", window_s), grown("headrace_calls_sampled_total", MODULE, window_s)),
            Recording(
                recorded("dear_calls_share", window_s),
                f"1 - {_increase(_COST, '_bucket', window_s, at_most(thresholds.max_cost_p99_usd))}"
                f" / {_increase(_COST, '_count', window_s)}",
            ),
            _success(thresholds, alerts),
            _latency(thresholds, alerts),
            _cost(thresholds, alerts),
        ),
    )


def _success(thresholds: QualityThresholds, alerts: Alerts) -> Alert:
    window_s = alerts.window_s
    calls, failures = recorded("calls", window_s), recorded("failures", window_s)
    least = thresholds.min_success_rate
    errors = (
        f"sum by (error_type, version) (increase({named('headrace_call_errors_total')}{{%s}}[{duration(window_s)}]))"
    )
    return Alert(
        name="HeadraceSuccessRateLow",
        expression=(
            f"1 - {failures} / {calls} < {number(least)}\n"
            f"and {calls} >= {alerts.min_calls}\n"
            f"and {failures} >= {alerts.min_bad_calls}"
        ),
        for_s=alerts.for_s,
        severity="critical",
        headline=f"DSPy module success rate < {percent(least)}",
        subject=SUBJECT,
        current="{{ $value | humanizePercentage }}",
        threshold=percent(least),
        action="Investigate errors, consider rollback",
        context=(
            ENVIRONMENT,
            (
                "Calls",
                f"{figure(calls, MODULE, CALLS)} in {spoken(window_s)}, {figure(failures, MODULE, CALLS)} failed",
            ),
            (
                "Errors",
                listed(
                    errors, MODULE, '{{ .Labels.error_type }} in {{ .Labels.version }} ({{ printf "%.0f" .Value }})'
                ),
            ),
        ),
    )


def _latency(thresholds: QualityThresholds, alerts: Alerts) -> Alert:
    window_s = alerts.window_s
    calls, slow = recorded("timed_calls", window_s), recorded("slow_calls", window_s)
    most_ms = thresholds.max_latency_p99_ms
    longest_ms = BOUNDS_S[-1] * _MS
    return Alert(
        name="HeadraceLatencyHigh",
        expression=(
            f"{slow} / {calls} > {_BEYOND_P99}\nand {calls} >= {alerts.min_calls}\nand {slow} >= {alerts.min_bad_calls}"
        ),
        for_s=alerts.for_s,
        severity="warning",
        headline=f"DSPy module p99 latency > {number(most_ms / _MS)}s",
        subject=SUBJECT,
        current=computed(
            f"{number(_MS)} * {_p99(_LATENCY, window_s)}",
            MODULE,
            f'{{{{ if ge . {longest_ms:.1f} }}}}over {{{{ end }}}}{{{{ printf "%.0f" . }}}}ms',
        ),
        threshold=f"{number(most_ms)}ms",
        action="Optimize prompt, reduce context",
        context=(
            ENVIRONMENT,
            (
                "Calls",
                f"{figure(calls, MODULE, CALLS)} in {spoken(window_s)}, {figure(slow, MODULE, CALLS)} slower",
            ),
        ),
    )


def _cost(thresholds: QualityThresholds, alerts: Alerts) -> Alert:
    window_s = alerts.window_s
    sampled, dear = recorded("sampled_calls", window_s), recorded("dear_calls_share", window_s)
    most_usd = thresholds.max_cost_p99_usd
    return Alert(
        name="HeadraceCostHigh",
        expression=(
            f"{dear} > {_BEYOND_P99}\n"
            f"and {sampled} >= {alerts.min_calls}\n"
            f"and {dear} * {sampled} >= {alerts.min_bad_calls}"
        ),
        for_s=alerts.for_s,
        severity="warning",
        headline=f"DSPy module p99 cost > ${number(most_usd)}",
        subject=SUBJECT,
        current=computed(_p99(_COST, window_s), MODULE, '${{ printf "%.4f" . }}'),
        threshold=f"${number(most_usd)}",
        action="Look for a dearer model, longer prompts or retries, consider rollback",
        context=(
            ENVIRONMENT,
            (
                "Calls",
                f"{figure(sampled, MODULE, CALLS)} sampled in {spoken(window_s)}, {figure(dear, MODULE, SHARE)} dearer",
            ),
        ),
    )


def _increase(histogram: str, part: str, window_s: int, matching: str = "") -> str:
    selector = f"{{{matching}}}" if matching else ""
    return total(f"increase({named(histogram)}{part}{selector}[{duration(window_s)}])", MODULE)


def _p99(histogram: str, window_s: int) -> str:
    """Return the p99 of a module, whose selector `computed` fills in."""
    buckets = total(f"increase({named(histogram)}_bucket{{%s}}[{duration(window_s)}])", ("le",))
    return f"histogram_quantile(0.99, {buckets})"
