"""What every long-running consumer tells of itself."""

from typing import Final

from headrace_consumers.monitoring.metric import Kind, Metric, Server, Source

__all__ = [
    "BUILD",
    "CIRCUIT_OPEN",
    "CONSUMERS",
    "DEAD_LETTERS",
    "DISK_FREE",
    "DISK_SIZE",
    "FORGOTTEN",
    "HEALTHY",
    "KAFKA_SILENT",
    "LAG_RECORDS",
    "LAG_SECONDS",
    "LAST_COMMIT",
    "LAST_SCRAPE",
    "OVERFLOW",
    "READY",
    "REBALANCES",
    "RECORDS",
    "SAMPLES",
    "STATISTICS",
    "UNREADABLE",
]

_ALL: Final = (Server.metrics, Server.dataset, Server.feedback, Server.rollout)
_COUNTED: Final = (Server.metrics, Server.dataset, Server.feedback)
_TABLES: Final = (Server.dataset, Server.feedback)
_PLACE: Final = ("topic", "partition")


def _metric(
    name: str, kind: Kind, text: str, unit: str, *labels: str, served_by: tuple[Server, ...] = _ALL, comment: str = ""
) -> Metric:
    return Metric(
        name=name,
        kind=kind,
        help=text,
        comment=comment,
        unit=unit,
        labels=labels,
        source=Source.own,
        served_by=served_by,
    )


BUILD: Final = _metric(
    "headrace_build_info", Kind.gauge, "Always 1; what runs here.", "1", "consumer", "release", "python"
)
HEALTHY: Final = _metric("headrace_consumer_healthy", Kind.gauge, "Whether /healthz says ok: 1 or 0.", "1", "consumer")
READY: Final = _metric("headrace_consumer_ready", Kind.gauge, "Whether /readyz says ok: 1 or 0.", "1", "consumer")
KAFKA_SILENT: Final = _metric(
    "headrace_kafka_silent_seconds",
    Kind.gauge,
    "How long ago a broker last answered this consumer.",
    "seconds",
    "consumer",
    comment="A few seconds at most while Kafka is there. Above 30 s the consumer is not ready, and its lag not known.",
)
RECORDS: Final = _metric(
    "headrace_consumer_records_total", Kind.counter, "Records that were dealt with.", "records", "topic"
)
LAG_RECORDS: Final = _metric(
    "headrace_consumer_lag_records",
    Kind.gauge,
    "Records in Kafka that were not dealt with.",
    "records",
    *_PLACE,
    comment="Of the partitions that the member owns at the scrape; absent while it is not known, or Kafka is away.",
)
LAG_SECONDS: Final = _metric(
    "headrace_consumer_lag_seconds",
    Kind.gauge,
    "Age of the oldest record that was read and not dealt with, or of the last one where more waits; 0: none waits.",
    "seconds",
    *_PLACE,
    comment="By Kafka's time stamps and this host's clock; absent while Kafka is away.",
)
LAST_COMMIT: Final = _metric(
    "headrace_consumer_last_commit_timestamp_seconds",
    Kind.gauge,
    "When it last committed, Unix time: to the table, or, the metrics consumer, its offsets to Kafka.",
    "seconds",
    "consumer",
    comment="Absent before the process's first. Where nothing comes, nothing is committed.",
)
LAST_SCRAPE: Final = _metric(
    "headrace_consumer_last_scrape_timestamp_seconds",
    Kind.gauge,
    "When the scrape before this one was answered, Unix time.",
    "seconds",
    "consumer",
    served_by=(Server.metrics,),
    comment="A scrape is what lets the metrics consumer commit. `/metrics?look` is none.",
)
REBALANCES: Final = _metric(
    "headrace_consumer_rebalances_total",
    Kind.counter,
    "How often the group has given this member partitions, confirmed those it has, or taken some.",
    "rebalances",
    "consumer",
    served_by=_TABLES,
    comment="Three or four where another member leaves and comes back. Many: one is thrown out again and again.",
)
DEAD_LETTERS: Final = _metric(
    "headrace_dead_letters_total",
    Kind.counter,
    "Records that were written to the dead-letter topic, by reason.",
    "records",
    "topic",
    "reason",
    served_by=_TABLES,
)
CIRCUIT_OPEN: Final = _metric(
    "headrace_consumer_circuit_open",
    Kind.gauge,
    "Whether the consumer is stopping, since nearly nothing can be read: 1 or 0.",
    "1",
    "consumer",
    "topic",
    served_by=_TABLES,
    comment="The process ends once a scrape was told, or after `dataset.dead_letter_limits.shown_s`.",
)
DISK_FREE: Final = _metric(
    "headrace_disk_free_bytes",
    Kind.gauge,
    "Room on the disk of a folder, for users other than root.",
    "bytes",
    "folder",
    served_by=_TABLES,
    comment="Folders: dataset (the table, where it is on a local disk) and state (the seen-set).",
)
DISK_SIZE: Final = _metric(
    "headrace_disk_size_bytes", Kind.gauge, "Size of that disk.", "bytes", "folder", served_by=_TABLES
)
UNREADABLE: Final = _metric(
    "headrace_unreadable_records_total",
    Kind.counter,
    "Records that the metrics or rollout consumer could not read, by reason.",
    "records",
    "topic",
    "reason",
    served_by=(Server.metrics, Server.rollout),
    comment="No dead letters: of statistics the next record tells the same, and of interactions the dataset consumer "
    "writes the letter.",
)
STATISTICS: Final = _metric(
    "headrace_statistics_records_total",
    Kind.counter,
    "Statistics records, by what became of them.",
    "records",
    "result",
    served_by=(Server.metrics,),
    comment="counted; late: into the late totals; repeated: not newer than one before; adopted: of a producer of which "
    "nothing is known here but that it is not new, so its figures are where counting goes on.",
)
SAMPLES: Final = _metric(
    "headrace_sampled_records_total",
    Kind.counter,
    "Sampled records, by what became of them.",
    "records",
    "result",
    served_by=(Server.metrics,),
    comment="counted; late: over 5 minutes old, in no series; repeated: sent twice by its producer.",
)
OVERFLOW: Final = _metric(
    "headrace_series_overflow_total",
    Kind.counter,
    "Increases that went to a series named `other`, since there are too many of the metric.",
    "increases",
    "metric",
    served_by=_COUNTED,
    comment="Each is one record. Of the producers' gauges and of `headrace_quality_*`: records that went to `other`, "
    "told as headrace_producers, headrace_producer_last_report_timestamp_seconds and headrace_quality_requests.",
)
FORGOTTEN: Final = _metric(
    "headrace_producers_forgotten_total",
    Kind.counter,
    "Producers that were silent longest and are remembered no more, to make room; totals keep what they added.",
    "producers",
    served_by=(Server.metrics,),
)

CONSUMERS: Final = (
    BUILD,
    HEALTHY,
    READY,
    KAFKA_SILENT,
    RECORDS,
    LAG_RECORDS,
    LAG_SECONDS,
    LAST_COMMIT,
    LAST_SCRAPE,
    REBALANCES,
    DEAD_LETTERS,
    CIRCUIT_OPEN,
    DISK_FREE,
    DISK_SIZE,
    UNREADABLE,
    STATISTICS,
    SAMPLES,
    OVERFLOW,
    FORGOTTEN,
)
