"""What a service has in its own registry after `headrace.prometheus.register()`; a test compares both."""

from typing import Final

from headrace_consumers.monitoring.metric import Kind, Metric, Server, Source
from headrace_schemas.latency import BOUNDS_S

__all__ = ["SERVICE"]

_CALL: Final = ("module", "version", "signature", "arm")


def _metric(name: str, kind: Kind, text: str, unit: str, *labels: str, bounds: tuple[float, ...] = ()) -> Metric:
    return Metric(
        name=name,
        kind=kind,
        help=text,
        unit=unit,
        labels=labels,
        bounds=bounds,
        source=Source.own,
        served_by=(Server.service,),
    )


SERVICE: Final = (
    _metric(
        "headrace_producer_records_sampled_total", Kind.counter, "Calls chosen for capture, and feedback.", "records"
    ),
    _metric(
        "headrace_producer_records_adopted_total", Kind.counter, "Records of dead processes, taken over.", "records"
    ),
    _metric(
        "headrace_producer_records_delivered_total", Kind.counter, "Records that Kafka or the log took.", "records"
    ),
    _metric(
        "headrace_producer_records_dropped_total",
        Kind.counter,
        "Records that were lost, by reason.",
        "records",
        "reason",
    ),
    _metric("headrace_producer_records_spooled", Kind.gauge, "Records that wait on disk.", "records"),
    _metric("headrace_producer_log_bytes", Kind.gauge, "Size on disk of the JSON Lines log.", "bytes"),
    _metric("headrace_producer_records_in_flight", Kind.gauge, "Records in memory, not delivered yet.", "records"),
    _metric("headrace_producer_redactions_total", Kind.counter, "Replaced substrings, by kind.", "substrings", "kind"),
    _metric(
        "headrace_producer_program_failures_total",
        Kind.counter,
        "Program versions that the router did not use, by reason.",
        "versions",
        "reason",
    ),
    _metric(
        "headrace_producer_call_errors_total",
        Kind.counter,
        "Failed calls, by the error's class.",
        "calls",
        *_CALL,
        "error_type",
    ),
    _metric("headrace_producer_calls_cancelled_total", Kind.counter, "Calls that were cancelled.", "calls", *_CALL),
    _metric(
        "headrace_producer_call_duration_seconds",
        Kind.histogram,
        "Every call, sampled or not.",
        "seconds",
        *_CALL,
        bounds=BOUNDS_S,
    ),
)
