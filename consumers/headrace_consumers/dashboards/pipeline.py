"""The pipeline's health: do the consumers keep up, do the producers report, is each record accounted for?"""

from collections.abc import Iterator
from typing import Final

from headrace.config import Config
from headrace.config.alerts import Alerts
from headrace_consumers.dashboards.panel import Column, Dashboard, Limit, Panel, Query, Row, Show, Variable
from headrace_consumers.dashboards.scope import POINT, Scope, quantile
from headrace_consumers.dashboards.units import COUNT, SECONDS, YES_NO, a_second, unit_of
from headrace_consumers.monitoring.catalogue.calls import LATE_CALL_ERRORS, LATE_CALLS
from headrace_consumers.monitoring.catalogue.consumers import (
    BUILD,
    CIRCUIT_OPEN,
    DEAD_LETTERS,
    FORGOTTEN,
    HEALTHY,
    LAG_RECORDS,
    LAG_SECONDS,
    OVERFLOW,
    READY,
    RECORDS,
    SAMPLES,
    STATISTICS,
    UNREADABLE,
)
from headrace_consumers.monitoring.catalogue.dataset import COMMIT_DURATION, COMMIT_FAILING, COMMITS
from headrace_consumers.monitoring.catalogue.producers import (
    IMBALANCE,
    LAST_REPORT,
    PRODUCER_COUNT,
    PRODUCER_RECORDS,
    RECORDS_ADOPTED,
    RECORDS_DELIVERED,
    RECORDS_DROPPED,
    RECORDS_SAMPLED,
    SPOOL_BYTES,
)

__all__ = ["pipeline"]

_VARIABLES: Final = (
    Variable("environment", PRODUCER_COUNT, "Environment of producers"),
    Variable("service", PRODUCER_COUNT, "Service"),
)
_SCOPE: Final = Scope(tuple(each.label for each in _VARIABLES))
_SERVICE: Final = ("service", "environment")
_LEGEND: Final = "{{service}} {{environment}}"
_READER: Final = ("job", "topic")
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
        variables=_VARIABLES,
        rows=(
            Row("Is all well?", tuple(_well())),
            Row("Consumers", tuple(_consumers(alerts))),
            Row("Records that cannot be read", tuple(_unreadable(alerts))),
            Row("Producers and their loss ledger", tuple(_producers(alerts))),
            Row("Commits to the tables", tuple(_commits())),
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
            Query(_SCOPE.most(HEALTHY, _MEMBER), "Healthy", YES_NO, Limit(1, is_least=True)),
            Query(_SCOPE.most(READY, _MEMBER), "Ready", YES_NO, Limit(1, is_least=True)),
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


def _consumers(alerts: Alerts) -> Iterator[Panel]:
    late = ("HeadraceConsumerLag",)
    yield Panel(
        title="Lag in seconds",
        description="How old the oldest record is that waits, of the partition that is furthest behind. "
        "The line is the threshold of the alert.",
        show=Show.lines,
        queries=(Query(_SCOPE.most(LAG_SECONDS, _READER), "{{job}} {{topic}}"),),
        unit=unit_of(LAG_SECONDS),
        width=8,
        limit=Limit(alerts.max_lag_s),
        alerts=late,
    )
    yield Panel(
        title="Lag in records",
        description="Records in Kafka that were not dealt with yet, of all partitions together.",
        show=Show.lines,
        queries=(Query(_SCOPE.total(LAG_RECORDS, _READER), "{{job}} {{topic}}"),),
        unit=unit_of(LAG_RECORDS),
        width=8,
        alerts=late,
    )
    yield Panel(
        title="Records dealt with",
        description="Records that each consumer was through with, a second.",
        show=Show.lines,
        queries=(Query(_SCOPE.rate(RECORDS, _READER), "{{job}} {{topic}}"),),
        unit=a_second(RECORDS),
        width=8,
    )
    yield Panel(
        title="Running processes",
        description="Members of each consumer, by release: two releases stand here while one replaces the other.",
        show=Show.lines,
        queries=(
            Query(_SCOPE.total(BUILD, ("consumer", "release", "python")), "{{consumer}} {{release}} Python {{python}}"),
        ),
        unit=COUNT,
        width=12,
        height=6,
        alerts=("HeadraceNotWatched", "HeadraceConsumerGone"),
    )
    yield Panel(
        title="Stopped by the circuit breaker",
        description="1: nearly nothing on the topic could be read, so the consumer stops before it writes most of it "
        "off as dead letters. Nothing is lost.",
        show=Show.lines,
        queries=(Query(_SCOPE.most(CIRCUIT_OPEN, ("consumer", "topic")), "{{consumer}} {{topic}}"),),
        unit=COUNT,
        width=12,
        height=6,
        limit=Limit(1),
        alerts=("HeadraceCircuitOpen",),
    )


def _unreadable(alerts: Alerts) -> Iterator[Panel]:
    yield Panel(
        title="Dead letters in the chosen time",
        description="Records that could not be read and were written to the dead-letter topic, by reason. Run "
        "headrace deadletter ls.",
        show=Show.figures,
        queries=(Query(_SCOPE.seen(DEAD_LETTERS, ("topic", "reason")), "{{reason}}"),),
        unit=unit_of(DEAD_LETTERS),
        width=8,
        height=7,
        limit=Limit(alerts.max_dead_letters + 1),
        alerts=("HeadraceDeadLetters",),
        when_empty="none",
    )
    yield Panel(
        title="Dead letters",
        description="When they were written, by topic and reason.",
        show=Show.bars,
        queries=(Query(_SCOPE.seen(DEAD_LETTERS, ("topic", "reason"), POINT), "{{topic}} {{reason}}"),),
        unit=unit_of(DEAD_LETTERS),
        width=8,
        height=7,
        alerts=("HeadraceDeadLetters",),
        when_empty="none",
    )
    yield Panel(
        title="What the metrics consumer could not read",
        description="By topic and reason; no dead letters: a producer's next record says all that the lost one said.",
        show=Show.bars,
        queries=(Query(_SCOPE.seen(UNREADABLE, ("topic", "reason"), POINT), "{{topic}} {{reason}}"),),
        unit=unit_of(UNREADABLE),
        width=8,
        height=7,
        when_empty="all was readable",
    )


def _producers(alerts: Alerts) -> Iterator[Panel]:
    yield Panel(
        title="Producers",
        description="Processes of each service that report and have not said that they end.",
        show=Show.lines,
        queries=(Query(_SCOPE.total(PRODUCER_COUNT, _SERVICE), _LEGEND),),
        unit=unit_of(PRODUCER_COUNT),
        width=8,
    )
    yield Panel(
        title="Time since the last report",
        description="Of the process of each service that was silent longest. A process that said that it ends is not "
        "in it, nor one that was silent for over a quarter of an hour.",
        show=Show.lines,
        queries=(Query(f"time() - {_SCOPE.least(LAST_REPORT, _SERVICE)}", _LEGEND),),
        unit=SECONDS,
        width=8,
        limit=Limit(alerts.producer_silent_s),
        alerts=("HeadraceProducersSilent",),
    )
    yield Panel(
        title="Lost records",
        description="By the reason that the producer gave, in the chosen time. The reasons are in docs/operations.md.",
        show=Show.bars,
        queries=(Query(_SCOPE.seen(RECORDS_DROPPED, (*_SERVICE, "reason"), POINT), f"{{{{reason}}}} {_LEGEND}"),),
        unit=unit_of(RECORDS_DROPPED),
        width=8,
        alerts=("HeadraceRecordsLost",),
        when_empty="none was lost",
    )
    yield Panel(
        title="What comes in and goes out",
        description="Records chosen for capture or taken over from a process that died, and records that Kafka "
        "acknowledged. Where they part, records wait or are lost.",
        show=Show.lines,
        queries=(
            Query(_SCOPE.rate(RECORDS_SAMPLED, _SERVICE), f"sampled {_LEGEND}"),
            Query(_SCOPE.rate(RECORDS_ADOPTED, _SERVICE), f"taken over {_LEGEND}"),
            Query(_SCOPE.rate(RECORDS_DELIVERED, _SERVICE), f"delivered {_LEGEND}"),
        ),
        unit=a_second(RECORDS_SAMPLED),
        width=8,
    )
    yield Panel(
        title="The ledgers' terms",
        description="As the producers last told them: records that wait on disk (spooled) or in memory (in_flight), "
        "and what became of all others.",
        show=Show.lines,
        queries=(Query(_SCOPE.total(PRODUCER_RECORDS, (*_SERVICE, "term")), f"{{{{term}}}} {_LEGEND}"),),
        unit=unit_of(PRODUCER_RECORDS),
        width=8,
    )
    yield Panel(
        title="Ledger imbalance",
        description="sampled + taken over - delivered - spooled - in flight - dropped, of the producer that is "
        "furthest off. Anything but 0 is a defect of Headrace: report it.",
        show=Show.lines,
        queries=(Query(f"max by (service, environment) (abs({_SCOPE.of(IMBALANCE)}))", _LEGEND),),
        unit=unit_of(IMBALANCE),
        width=8,
        limit=Limit(1),
        alerts=("HeadraceLedgerImbalance",),
    )
    waiting = ("HeadraceSpoolGrowing",)
    yield Panel(
        title="Records on the producers' disks",
        description="Sampled records that wait on disk until Kafka takes them, as last told: while Kafka is away, "
        "nothing new is told.",
        show=Show.lines,
        queries=(Query(_SCOPE.total(PRODUCER_RECORDS, _SERVICE, 'term="spooled"'), _LEGEND),),
        unit=unit_of(PRODUCER_RECORDS),
        width=12,
        alerts=waiting,
    )
    yield Panel(
        title="Size of the spools",
        description="Room that these records take; at spool.max_total_mb the oldest or newest are lost.",
        show=Show.lines,
        queries=(Query(_SCOPE.total(SPOOL_BYTES, _SERVICE), _LEGEND),),
        unit=unit_of(SPOOL_BYTES),
        width=12,
        alerts=waiting,
    )


def _commits() -> Iterator[Panel]:
    yield Panel(
        title="Commits",
        description="To the table, each with its offsets: all or nothing.",
        show=Show.lines,
        queries=(Query(_SCOPE.rate(COMMITS, ("job",)), "{{job}}"),),
        unit=a_second(COMMITS),
        width=8,
    )
    yield Panel(
        title="Duration of a commit: p50 and p99",
        description="From the batch to the acknowledged offsets.",
        show=Show.lines,
        queries=tuple(
            Query(quantile(q, _SCOPE.buckets(COMMIT_DURATION, ("job",))), f"p{100 * q:g} {{{{job}}}}")
            for q in (0.5, 0.99)
        ),
        unit=unit_of(COMMIT_DURATION),
        width=8,
    )
    yield Panel(
        title="Commits have failed for",
        description="0: they succeed. Meanwhile nothing is lost, but lag grows.",
        show=Show.lines,
        queries=(Query(_SCOPE.most(COMMIT_FAILING, ("job", "instance")), "{{job}} {{instance}}"),),
        unit=unit_of(COMMIT_FAILING),
        width=8,
    )


def _limits() -> Iterator[Panel]:
    yield Panel(
        title="Statistics records, by what became of them",
        description="counted: in the counters. late: over 5 minutes old, in the late totals. repeated: not newer than "
        "one before. adopted: of a producer that was unknown here, where counting goes on.",
        show=Show.bars,
        queries=(Query(_SCOPE.rate(STATISTICS, ("result",)), "{{result}}"),),
        unit=a_second(STATISTICS),
        width=8,
    )
    yield Panel(
        title="Sampled records, by what became of them",
        description="counted: in the estimates. late: over 5 minutes old, in none. repeated: sent twice.",
        show=Show.bars,
        queries=(Query(_SCOPE.rate(SAMPLES, ("result",)), "{{result}}"),),
        unit=a_second(SAMPLES),
        width=8,
    )
    yield Panel(
        title="Calls told of late",
        description="Over 5 minutes after they were made, as after an outage: in the sum, but in no rate and no alert.",
        show=Show.figures,
        queries=(
            Query(_SCOPE.increase(LATE_CALLS), "calls"),
            Query(_SCOPE.increase(LATE_CALL_ERRORS), "failed"),
        ),
        unit=unit_of(LATE_CALLS),
        width=8,
        when_empty="none",
    )
    yield Panel(
        title="Added up under other",
        description="Increases that found no series of their own, by metric: more modules, signatures, versions or "
        "models than metrics.max_series, or over 32 classes of error. See docs/metrics.md.",
        show=Show.bars,
        queries=(Query(_SCOPE.seen(OVERFLOW, ("metric",), POINT), "{{metric}}"),),
        unit=unit_of(OVERFLOW),
        width=12,
        when_empty="each has a series of its own",
    )
    yield Panel(
        title="Forgotten producers",
        description="Silent longest, and remembered no more, to make room for others (metrics.max_producers); no "
        "total goes down by it.",
        show=Show.bars,
        queries=(Query(_SCOPE.increase(FORGOTTEN, (), POINT), "forgotten"),),
        unit=unit_of(FORGOTTEN),
        width=12,
    )
