"""The pipeline's health: consumers, producers, and the metrics consumer's own limits, under the question of all."""

from collections.abc import Iterator
from typing import Final

from headrace.config import Config
from headrace_consumers.dashboards.own_registries import own_registries
from headrace_consumers.dashboards.panel import Column, Dashboard, Limit, Panel, Query, Row, Show
from headrace_consumers.dashboards.readers import commits, consumers, unreadable
from headrace_consumers.dashboards.scope import POINT
from headrace_consumers.dashboards.services import SCOPE, VARIABLES, producers
from headrace_consumers.dashboards.units import COUNT, YES_NO, a_second, unit_of
from headrace_consumers.monitoring.catalogue.calls import (
    LATE_CALL_ERRORS,
    LATE_CALLS,
    LATE_CALLS_CANCELLED,
    LATE_CALLS_SAMPLED,
)
from headrace_consumers.monitoring.catalogue.consumers import (
    FORGOTTEN,
    HEALTHY,
    OVERFLOW,
    READY,
    SAMPLES,
    STATISTICS,
)

__all__ = ["pipeline"]

_MEMBER: Final = ("job", "instance", "consumer")


def pipeline(config: Config) -> Dashboard:
    """Return the dashboard.

    Args:
        config: the limits of its alerts.
    """
    alerts = config.alerts
    return Dashboard(
        uid="headrace-pipeline",
        title="Headrace: pipeline health",
        description="Whether the consumers run and keep up, the producers report, and each record is accounted for.",
        variables=VARIABLES,
        rows=(
            Row("Is all well?", tuple(_well())),
            Row("Consumers", tuple(consumers(alerts))),
            Row("Records that cannot be read", tuple(unreadable(alerts))),
            Row("Producers and their loss ledger", tuple(producers(alerts))),
            Row("Services that Prometheus scrapes themselves", tuple(own_registries())),
            Row("Commits to the tables", tuple(commits())),
            Row("The metrics consumer's own limits", tuple(_limits())),
        ),
        alerts='alertname=~"Headrace.+"',
    )


def _well() -> Iterator[Panel]:
    yield Panel(
        title="Consumers",
        description="Each running process: whether it is well (healthz) and has caught up (readyz).",
        show=Show.table,
        columns=(Column("consumer", "Consumer"), Column("job", "Job"), Column("instance", "Instance")),
        queries=(
            Query(SCOPE.most(HEALTHY, _MEMBER), "Healthy", YES_NO, Limit(1, is_least=True)),
            Query(SCOPE.most(READY, _MEMBER), "Ready", YES_NO, Limit(1, is_least=True)),
        ),
        unit=YES_NO,
        width=10,
        height=7,
        alerts=("HeadraceNotWatched", "HeadraceConsumerGone"),
    )
    yield Panel(
        title="Firing alerts",
        description="What fires now. Each alert has a section in the runbook, linked above.",
        show=Show.table,
        columns=(
            Column("alertname", "Alert"),
            Column("severity", "Severity"),
            Column("module", "Module"),
            Column("signature", "Signature"),
            Column("service", "Service"),
            Column("topic", "Topic"),
            Column("reason", "Reason"),
        ),
        queries=(
            Query(
                "count by (alertname, severity, module, signature, service, topic, reason) "
                '(ALERTS{alertname=~"Headrace.+", alertstate="firing"})',
                "Firing",
                COUNT,
            ),
        ),
        unit=COUNT,
        width=14,
        height=7,
        when_empty="no alert fires",
    )


def _limits() -> Iterator[Panel]:
    yield Panel(
        title="Statistics records, by what became of them",
        description="counted: in the counters. late: over 5 minutes old, in the late totals. repeated: not newer than "
        "one before. adopted: of a producer that was unknown here, where counting goes on.",
        show=Show.bars,
        queries=(Query(SCOPE.rate(STATISTICS, ("result",)), "{{result}}"),),
        unit=a_second(STATISTICS),
        width=8,
    )
    yield Panel(
        title="Sampled records, by what became of them",
        description="counted: in the estimates. late: over 5 minutes old, in none. repeated: sent twice.",
        show=Show.bars,
        queries=(Query(SCOPE.rate(SAMPLES, ("result",)), "{{result}}"),),
        unit=a_second(SAMPLES),
        width=8,
    )
    yield Panel(
        title="Calls told of late",
        description="Over 5 minutes after they were made, as after an outage: in the sum, but in no rate and no alert.",
        show=Show.figures,
        queries=(
            Query(SCOPE.increase(LATE_CALLS), "calls"),
            Query(SCOPE.increase(LATE_CALL_ERRORS), "failed"),
            Query(SCOPE.increase(LATE_CALLS_CANCELLED), "cancelled"),
            Query(SCOPE.increase(LATE_CALLS_SAMPLED), "sampled"),
        ),
        unit=unit_of(LATE_CALLS),
        width=8,
        when_empty="none",
    )
    yield Panel(
        title="Added up under other",
        description="Increases that found no series of their own, by metric: more modules, versions and signatures "
        "than metrics.max_series, or over 32 classes of error or models, 1,000 producers or 2,000 signatures of a "
        "dataset. See docs/metrics.md.",
        show=Show.bars,
        queries=(Query(SCOPE.seen(OVERFLOW, ("metric",), POINT), "{{metric}}"),),
        unit=unit_of(OVERFLOW),
        width=12,
        when_empty="each has a series of its own",
    )
    yield Panel(
        title="Forgotten producers",
        description="Silent longest, and remembered no more, to make room for others (metrics.max_producers); no "
        "total goes down by it.",
        show=Show.bars,
        queries=(Query(SCOPE.increase(FORGOTTEN, (), POINT), "forgotten"),),
        unit=unit_of(FORGOTTEN),
        width=12,
    )
