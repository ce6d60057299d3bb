"""Services that Prometheus scrapes themselves: what they tell without Kafka, too."""

from collections.abc import Iterator
from typing import Final

from headrace_consumers.dashboards.panel import Panel, Query, Show
from headrace_consumers.dashboards.scope import Scope
from headrace_consumers.dashboards.units import a_second, unit_of
from headrace_consumers.monitoring.catalogue import metric

__all__ = ["own_registries"]

_SCOPE: Final = Scope(())
_JOB: Final = ("job",)
_NONE: Final = "no such service is scraped: headrace.prometheus.register()"


def own_registries() -> Iterator[Panel]:
    """Return the panels."""
    log, spooled = metric("headrace_producer_log_bytes"), metric("headrace_producer_records_spooled")
    in_flight, delivered = (
        metric("headrace_producer_records_in_flight"),
        metric("headrace_producer_records_delivered_total"),
    )
    yield Panel(
        title="Size of the JSON Lines logs",
        description="Room on disk of the logs of services without Kafka, the rotated ones too.",
        show=Show.lines,
        queries=(Query(_SCOPE.total(log, _JOB), "{{job}}"),),
        unit=unit_of(log),
        width=8,
        height=6,
        when_empty=_NONE,
    )
    yield Panel(
        title="Records that wait in these services",
        description="On disk (spooled) and in memory, by the service's own word: it is told while Kafka is away, too.",
        show=Show.lines,
        queries=(
            Query(_SCOPE.total(spooled, _JOB), "spooled {{job}}"),
            Query(_SCOPE.total(in_flight, _JOB), "in memory {{job}}"),
        ),
        unit=unit_of(spooled),
        width=8,
        height=6,
        alerts=("HeadraceSpoolGrowing",),
        when_empty=_NONE,
    )
    yield Panel(
        title="Records that Kafka or the log took",
        description="By the service's own word, a second.",
        show=Show.lines,
        queries=(Query(_SCOPE.rate(delivered, _JOB), "{{job}}"),),
        unit=a_second(delivered),
        width=8,
        height=6,
        when_empty=_NONE,
    )
