"""The consumers: do they run, keep up, read what comes, and commit?"""

from collections.abc import Iterator
from typing import Final

from headrace.config.alerts import Alerts
from headrace_consumers.dashboards.panel import Limit, Panel, Query, Show
from headrace_consumers.dashboards.scope import POINT, Scope, quantile
from headrace_consumers.dashboards.units import COUNT, SECONDS, a_second, unit_of
from headrace_consumers.metrics.alerts.consumers import KAFKA_SILENT_S, UNCOMMITTED_S
from headrace_consumers.monitoring.catalogue.consumers import (
    BUILD,
    CIRCUIT_OPEN,
    DEAD_LETTERS,
    KAFKA_SILENT,
    LAG_RECORDS,
    LAG_SECONDS,
    LAST_COMMIT,
    LAST_SCRAPE,
    RECORDS,
    UNREADABLE,
)
from headrace_consumers.monitoring.catalogue.dataset import COMMIT_DURATION, COMMIT_FAILING, COMMITS

__all__ = ["commits", "consumers", "unreadable"]

_SCOPE: Final = Scope(())
_READER: Final = ("job", "topic")


def consumers(alerts: Alerts) -> Iterator[Panel]:
    """Return whether the consumers run and keep up.

    Args:
        alerts: the limits.
    """
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
        title="No answer from Kafka for",
        description="How long ago a broker last answered: a few seconds at most while Kafka is there. Then lag is not "
        "known, and no line of it is drawn.",
        show=Show.lines,
        queries=(Query(_SCOPE.most(KAFKA_SILENT, ("job", "consumer")), "{{job}}"),),
        unit=unit_of(KAFKA_SILENT),
        width=8,
        height=6,
        limit=Limit(KAFKA_SILENT_S),
        alerts=("HeadraceKafkaSilent",),
    )
    yield Panel(
        title="Running processes",
        description="Members of each consumer, by release: two releases stand here while one replaces the other.",
        show=Show.lines,
        queries=(
            Query(_SCOPE.total(BUILD, ("consumer", "release", "python")), "{{consumer}} {{release}} Python {{python}}"),
        ),
        unit=COUNT,
        width=8,
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
        width=8,
        height=6,
        limit=Limit(1),
        alerts=("HeadraceCircuitOpen",),
    )


def unreadable(alerts: Alerts) -> Iterator[Panel]:
    """Return what cannot be read.

    Args:
        alerts: the limits.
    """
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


def commits() -> Iterator[Panel]:
    """Return the commits of tables and offsets."""
    yield Panel(
        title="Commits",
        description="To the table, each with its offsets: all or nothing.",
        show=Show.lines,
        queries=(Query(_SCOPE.rate(COMMITS, ("job",)), "{{job}}"),),
        unit=a_second(COMMITS),
        width=6,
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
        width=6,
    )
    yield Panel(
        title="Commits have failed for",
        description="0: they succeed. Meanwhile nothing is lost, but lag grows.",
        show=Show.lines,
        queries=(Query(_SCOPE.most(COMMIT_FAILING, ("job", "instance")), "{{job}} {{instance}}"),),
        unit=unit_of(COMMIT_FAILING),
        width=6,
    )
    yield Panel(
        title="Time since the last commit",
        description="A table's consumer commits to the table, the metrics consumer its offsets once a scrape has shown "
        "what it read: so the time since its last scrape is here, too. Where nothing comes, nothing is committed.",
        show=Show.lines,
        queries=(
            Query(f"time() - {_SCOPE.most(LAST_COMMIT, ('job', 'instance'))}", "{{job}} {{instance}}"),
            Query(f"time() - {_SCOPE.most(LAST_SCRAPE, ('job', 'instance'))}", "scraped: {{job}} {{instance}}"),
        ),
        unit=SECONDS,
        width=6,
        limit=Limit(UNCOMMITTED_S),
        alerts=("HeadraceOffsetsNotCommitted",),
    )
