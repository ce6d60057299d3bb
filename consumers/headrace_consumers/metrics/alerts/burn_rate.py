"""Failures that use up the error budget too fast: several windows, each with its burn rate.

After Google's SRE workbook, "Alerting on SLOs", approach 6, multiwindow, multi-burn-rate alerts:
https://sre.google/workbook/alerting-on-slos/
"""

from collections.abc import Iterator, Sequence

from headrace.config.alerts import Alerts, BurnRate
from headrace_consumers.metrics.alerts.counted import MODULE, recorded
from headrace_consumers.metrics.alerts.promql import figure, number, percent
from headrace_consumers.metrics.alerts.quality import CALLS, ENVIRONMENT, SUBJECT
from headrace_consumers.metrics.alerts.rule import Alert, Group, duration, spoken

__all__ = ["burn_rates", "never_reached", "windows"]


def burn_rates(min_success_rate: float, alerts: Alerts) -> Group:
    """Return an alert for each burn rate that can be reached."""
    able = [each for each in alerts.burn_rates if _most_failed(each, min_success_rate) < 1]
    return Group(
        "headrace-error-budget",
        tuple(_alert(each, min_success_rate, alerts) for each in able) if min_success_rate < 1 else (),
    )


def windows(alerts: Alerts) -> Iterator[int]:
    """Return the windows that are looked at, in seconds."""
    for each in alerts.burn_rates:
        yield from (each.short_s, each.long_s)


def never_reached(min_success_rate: float, burn_rates: Sequence[BurnRate]) -> list[str]:
    """Return a line for each burn rate of which there is no rule, since all calls failing would not reach it."""
    if min_success_rate == 1:
        return [
            "quality_thresholds.min_success_rate is 1: there is no error budget, so no rule of how fast it is used up"
        ]
    return [
        f"alerts.burn_rates.{at}: {number(each.factor)} times the budget of {percent(1 - min_success_rate)} is over "
        "100% of the calls, so there is no such rule"
        for at, each in enumerate(burn_rates)
        if _most_failed(each, min_success_rate) >= 1
    ]


def _most_failed(burn: BurnRate, min_success_rate: float) -> float:
    return burn.factor * (1 - min_success_rate)


def _how_fast(factor: float) -> str:
    return f"{number(factor)} times " if factor > 1 else ""


def _alert(burn: BurnRate, min_success_rate: float, alerts: Alerts) -> Alert:
    calls, failures = recorded("calls", burn.long_s), recorded("failures", burn.long_s)
    calls_lately, failures_lately = recorded("calls", burn.short_s), recorded("failures", burn.short_s)
    most = _most_failed(burn, min_success_rate)
    return Alert(
        name="HeadraceErrorBudgetBurn",
        # The short window needs no calls of its own: it only tells that it still goes on.
        expression=(
            f"{failures} / {calls} > {number(most)}\n"
            f"and {failures_lately} / {calls_lately} > {number(most)}\n"
            f"and {calls} >= {alerts.min_calls}\n"
            f"and {failures} >= {alerts.min_bad_calls}"
        ),
        for_s=0,  # the windows are what it waits for
        severity=burn.severity,
        headline=f"DSPy module uses up its error budget {_how_fast(burn.factor)}too fast",
        subject=SUBJECT,
        current=f"{{{{ $value | humanizePercentage }}}} failed in {spoken(burn.long_s)}",
        threshold=percent(most),
        action="Investigate errors, consider rollback",
        context=(
            ENVIRONMENT,
            (
                "Calls",
                f"{figure(calls, MODULE, CALLS)} in {spoken(burn.long_s)}, {figure(failures, MODULE, CALLS)} failed",
            ),
        ),
        labels=(("window", duration(burn.long_s)),),
    )
