"""Traffic and quality: calls, failures, latency and estimates of each module, signature and version."""

from collections.abc import Iterator
from typing import Final

from headrace.config import Config
from headrace.config.telemetry import Telemetry
from headrace_consumers.dashboards.calls import (
    COLUMNS,
    LEGEND,
    MODULE,
    SCOPE,
    VARIABLES,
    sampled_share,
    success_rate,
)
from headrace_consumers.dashboards.latency import SLOW, latency
from headrace_consumers.dashboards.panel import Dashboard, Limit, Panel, Query, Row, Show
from headrace_consumers.dashboards.quality import quality
from headrace_consumers.dashboards.scope import OVERALL, POINT, quantile
from headrace_consumers.dashboards.units import COUNT, SECONDS, SHARE, a_second
from headrace_consumers.metrics.alerts.promql import number, percent
from headrace_consumers.monitoring.catalogue.calls import (
    CALL_DURATION,
    CALL_ERRORS,
    CALLS_CANCELLED,
    CALLS_TOTAL,
    LATE_CALL_ERRORS,
    LATE_CALLS,
)
from headrace_consumers.monitoring.catalogue.samples import (
    REDACTIONS,
)

__all__ = ["traffic"]

_MS: Final = 1000.0
_BURNING: Final = ("HeadraceSuccessRateLow", "HeadraceErrorBudgetBurn")


def traffic(config: Config) -> Dashboard:
    """Return the dashboard.

    Args:
        config: its thresholds of success and latency, and the sampling rates that it wants.
    """
    least = Limit(config.quality_thresholds.min_success_rate, is_least=True)
    slow = Limit(config.quality_thresholds.max_latency_p99_ms / _MS)
    return Dashboard(
        uid="headrace-traffic",
        title="Headrace: traffic and quality",
        description="How many calls each module gets, how many fail, how long they take, and what the sample says of "
        "their quality.",
        variables=VARIABLES,
        rows=(
            Row("At a glance", (*_glance(least, slow), _each(least, slow))),
            Row("Calls and failures", tuple(_calls(least))),
            Row("Latency, exact: of all calls", tuple(latency(slow))),
            Row("Quality, estimated from the sample", tuple(quality(least))),
            Row("The sample", tuple(_sample(config.telemetry))),
        ),
        alerts='module=~"$module", signature=~"$signature", environment=~"$environment"',
    )


def _glance(least: Limit, slow: Limit) -> Iterator[Panel]:
    yield Panel(
        title="Calls",
        description="Calls that ended in the chosen time, sampled or not, failed ones too. A module that another one "
        "calls counts its own calls.",
        show=Show.figures,
        queries=(Query(SCOPE.increase(CALLS_TOTAL)),),
        unit=COUNT,
        width=6,
        height=4,
    )
    yield Panel(
        title="Success rate",
        description="Share of the calls in the chosen time that did not fail; calls that were cancelled do not count.",
        show=Show.figures,
        queries=(Query(success_rate((), OVERALL)),),
        unit=SHARE,
        width=6,
        height=4,
        limit=least,
        alerts=_BURNING,
    )
    yield Panel(
        title="p99 latency",
        description="One call in a hundred took longer, of all calls in the chosen time. Interpolated between two "
        "bounds of the histogram.",
        show=Show.figures,
        queries=(Query(quantile(0.99, SCOPE.buckets(CALL_DURATION, over=OVERALL))),),
        unit=SECONDS,
        width=6,
        height=4,
        limit=slow,
        alerts=SLOW,
    )
    yield Panel(
        title="Sampled",
        description="Share of the calls in the chosen time that the sample captured: the actual sampling rate.",
        show=Show.figures,
        queries=(Query(sampled_share(())),),
        unit=SHARE,
        width=6,
        height=4,
    )


def _each(least: Limit, slow: Limit) -> Panel:
    buckets = SCOPE.buckets(CALL_DURATION, MODULE, OVERALL)
    return Panel(
        title="Each module, signature and version",
        description="Over the chosen time, from exact counts of all calls. Red: beyond the threshold of the alerts, "
        "which also ask for a minimum of traffic.",
        show=Show.table,
        columns=COLUMNS,
        queries=(
            Query(SCOPE.increase(CALLS_TOTAL, MODULE), "Calls", COUNT),
            Query(success_rate(MODULE, OVERALL), "Success rate", SHARE, least),
            Query(quantile(0.5, buckets), "p50 latency", SECONDS),
            Query(quantile(0.99, buckets), "p99 latency", SECONDS, slow),
            Query(sampled_share(MODULE), "Sampled", SHARE),
        ),
        unit=COUNT,
        width=24,
        height=7,
        alerts=(*_BURNING, *SLOW),
    )


def _calls(least: Limit) -> Iterator[Panel]:
    yield Panel(
        title="Calls",
        description="Calls that ended, a second.",
        show=Show.lines,
        queries=(Query(SCOPE.rate(CALLS_TOTAL, MODULE), LEGEND),),
        unit=a_second(CALLS_TOTAL),
        width=12,
    )
    yield Panel(
        title="Success rate",
        description="Share of the calls that did not fail; calls that were cancelled do not count. The line is the "
        "threshold of the alerts.",
        show=Show.lines,
        queries=(Query(success_rate(MODULE), LEGEND),),
        unit=SHARE,
        width=12,
        limit=least,
        alerts=_BURNING,
    )
    yield Panel(
        title="Failed calls by error",
        description="By the exception's class. Unsuccessful: the program's own success test said no. "
        "other: classes beyond the limit of one module.",
        show=Show.bars,
        queries=(
            Query(
                SCOPE.rate(CALL_ERRORS, ("module", "version", "error_type")), "{{error_type}} {{module}} {{version}}"
            ),
        ),
        unit=a_second(CALL_ERRORS),
        width=12,
        when_empty="no call failed",
        alerts=_BURNING,
    )
    yield Panel(
        title="Cancelled calls",
        description="Calls that were told to end before they were done, by their caller or a timeout. They are no "
        "failures.",
        show=Show.bars,
        queries=(Query(SCOPE.rate(CALLS_CANCELLED, ("module", "version")), "{{module}} {{version}}"),),
        unit=a_second(CALLS_CANCELLED),
        width=12,
        when_empty="none was cancelled",
    )


def _sample(telemetry: Telemetry) -> Iterator[Panel]:
    wanted = [("wanted", telemetry.sampling_rate_pct)]
    wanted += [
        (f"wanted for {name}", each.sampling_rate_pct)
        for name, each in sorted(telemetry.modules.items())
        if each.sampling_rate_pct is not None
    ]
    yield Panel(
        title="Sampling rate, actual and wanted",
        description="Share of the calls that the sample captured, beside telemetry.sampling_rate_pct of the "
        f"configuration that this was rendered from ({percent(telemetry.sampling_rate_pct / 100)}). A sampling order "
        "(headrace sampling) changes the actual one, and so does a service with another configuration.",
        show=Show.lines,
        queries=(
            Query(sampled_share(("module", "version", "environment"), POINT), "{{module}} {{version}} {{environment}}"),
            *(Query(f"vector({number(pct / 100)})", legend) for legend, pct in wanted),
        ),
        unit=SHARE,
        width=12,
        faint="wanted.*",
    )
    yield Panel(
        title="Redacted passages",
        description="Passages of sampled records that redaction replaced, a second: what was done, no estimate for "
        "all calls.",
        show=Show.bars,
        queries=(Query(SCOPE.rate(REDACTIONS, ("module", "version")), "{{module}} {{version}}"),),
        unit=a_second(REDACTIONS),
        width=12,
        when_empty="nothing was replaced",
    )
    yield Panel(
        title="Calls told of late",
        description="Calls that the metrics consumer heard of over 5 minutes late, after an outage. They are in no "
        "rate and no alert, for nobody knows when they were made.",
        show=Show.bars,
        queries=(
            Query(SCOPE.increase(LATE_CALLS, ("module", "version"), POINT), "{{module}} {{version}}"),
            Query(
                SCOPE.increase(LATE_CALL_ERRORS, ("module", "version"), POINT),
                "failed: {{module}} {{version}}",
            ),
        ),
        unit=COUNT,
        width=24,
        height=6,
        when_empty="none came late",
    )
