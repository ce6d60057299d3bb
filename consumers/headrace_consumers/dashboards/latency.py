"""How long calls take: of all of them, exact."""

from collections.abc import Iterator
from typing import Final

from headrace_consumers.dashboards.calls import LEGEND, MODULE, SCOPE
from headrace_consumers.dashboards.panel import Limit, Panel, Query, Show
from headrace_consumers.dashboards.scope import quantile, share
from headrace_consumers.dashboards.units import SECONDS, SHARE
from headrace_consumers.metrics.alerts.promql import number
from headrace_consumers.monitoring.catalogue.calls import CALL_DURATION

__all__ = ["SLOW", "latency"]

SLOW: Final = ("HeadraceLatencyHigh",)
_BEYOND_P99: Final = 0.01


def latency(slow: Limit) -> Iterator[Panel]:
    """Return the panels.

    Args:
        slow: the threshold of p99, seconds: a bound of the histogram.
    """
    limit = number(slow.value)
    whose = ("module", "signature", "version")
    within = share(SCOPE.within(CALL_DURATION, slow.value, whose), SCOPE.observations(CALL_DURATION, whose))
    yield Panel(
        title="How long calls take",
        description="All calls that are chosen, by duration: the darker, the more of them.",
        show=Show.heatmap,
        queries=(Query(SCOPE.buckets(CALL_DURATION), "{{le}}"),),
        unit=SECONDS,
        width=12,
    )
    yield Panel(
        title="Latency: p50, p95, p99",
        description="Half of the calls, 5 in 100 and 1 in 100 took longer, of all that are chosen. A dot is a sampled "
        "call: its request_id is what headrace dataset trace finds it by. The line is the threshold of p99.",
        show=Show.lines,
        queries=tuple(Query(quantile(q, SCOPE.buckets(CALL_DURATION)), f"p{100 * q:g}") for q in (0.5, 0.95, 0.99)),
        unit=SECONDS,
        width=12,
        limit=slow,
        alerts=SLOW,
        exemplars=True,
    )
    yield Panel(
        title="p99 latency by module",
        description="One call in a hundred took longer. Interpolated between two bounds of the histogram; the share "
        "beside it is exact.",
        show=Show.lines,
        queries=(Query(quantile(0.99, SCOPE.buckets(CALL_DURATION, MODULE)), LEGEND),),
        unit=SECONDS,
        width=12,
        limit=slow,
        alerts=SLOW,
    )
    yield Panel(
        title=f"Calls slower than {limit} s",
        description=f"Share of the calls that took longer than the threshold of {limit} s: exact, for that is a bound "
        "of the histogram. Over 1% of them, and p99 is beyond the threshold.",
        show=Show.lines,
        queries=(Query(f"1 - {within}", "{{module}} {{signature}} {{version}}"),),
        unit=SHARE,
        width=12,
        limit=Limit(_BEYOND_P99),
        alerts=SLOW,
    )
