"""The producers and their loss ledgers, from the statistics topic."""

from typing import Final

from headrace_consumers.monitoring.metric import Kind, Metric, Server, Source

__all__ = [
    "IMBALANCE",
    "LAST_REPORT",
    "PRODUCERS",
    "PRODUCER_COUNT",
    "PRODUCER_RECORDS",
    "PROGRAM_FAILURES",
    "RECORDS_ADOPTED",
    "RECORDS_DELIVERED",
    "RECORDS_DROPPED",
    "RECORDS_SAMPLED",
    "SPOOL_BYTES",
]

_SERVICE: Final = ("service", "environment")
_PRODUCER: Final = (*_SERVICE, "producer")


def _counter(name: str, text: str, *labels: str, comment: str = "", unit: str = "records") -> Metric:
    return Metric(
        name=name,
        kind=Kind.counter,
        help=text,
        comment=comment,
        unit=unit,
        labels=(*_SERVICE, *labels),
        source=Source.statistics,
        served_by=(Server.metrics,),
    )


def _gauge(name: str, text: str, unit: str, labels: tuple[str, ...], comment: str = "") -> Metric:
    return Metric(
        name=name,
        kind=Kind.gauge,
        help=text,
        comment=comment,
        unit=unit,
        labels=labels,
        source=Source.statistics,
        served_by=(Server.metrics,),
    )


RECORDS_SAMPLED: Final = _counter("headrace_records_sampled_total", "Calls and feedback chosen for capture.")
RECORDS_ADOPTED: Final = _counter("headrace_records_adopted_total", "Records of dead processes' spools, taken over.")
RECORDS_DELIVERED: Final = _counter("headrace_records_delivered_total", "Records that Kafka acknowledged.")
RECORDS_DROPPED: Final = _counter(
    "headrace_records_dropped_total",
    "Records that were lost, by reason.",
    "reason",
    comment="The reasons: docs/operations.md. A loss that was told of late is in it all the same: it is news.",
)
PROGRAM_FAILURES: Final = _counter(
    "headrace_program_failures_total",
    "Program versions that a service's router did not use, by reason; the baseline served.",
    "reason",
    comment="Once for each version and reason in each process. The reasons: docs/rollout.md.",
    unit="versions",
)
PRODUCER_COUNT: Final = _gauge(
    "headrace_producers", "Producer processes that report and have not ended.", "producers", _SERVICE
)
LAST_REPORT: Final = _gauge(
    "headrace_producer_last_report_timestamp_seconds",
    "When a producer's newest record was written to Kafka, Unix time.",
    "seconds",
    _PRODUCER,
    "Gone once the producer said that it ends, or was forgotten.",
)
PRODUCER_RECORDS: Final = _gauge(
    "headrace_producer_ledger_records",
    "A producer's loss ledger as it last told it, by term.",
    "records",
    (*_PRODUCER, "term"),
    "Terms: sampled, adopted, delivered, spooled, in_flight, dropped. spooled is the size of the spool in records.",
)
SPOOL_BYTES: Final = _gauge(
    "headrace_producer_spool_bytes",
    "Size on disk of what a producer has spooled, as it last told it.",
    "bytes",
    _PRODUCER,
    "With what it has taken over from a dead process. Producers older than this figure tell 0.",
)
IMBALANCE: Final = _gauge(
    "headrace_producer_ledger_imbalance_records",
    "sampled + adopted - delivered - spooled - in_flight - dropped; anything but 0 is a bug.",
    "records",
    _PRODUCER,
)

PRODUCERS: Final = (
    RECORDS_SAMPLED,
    RECORDS_ADOPTED,
    RECORDS_DELIVERED,
    RECORDS_DROPPED,
    PROGRAM_FAILURES,
    PRODUCER_COUNT,
    LAST_REPORT,
    PRODUCER_RECORDS,
    SPOOL_BYTES,
    IMBALANCE,
)
