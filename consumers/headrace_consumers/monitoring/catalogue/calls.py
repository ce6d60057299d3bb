"""Every call of every instrumented module, sampled or not: exact, from the statistics topic."""

from typing import Final

from headrace_consumers.monitoring.metric import Kind, Metric, Server, Source
from headrace_schemas.latency import BOUNDS_S

__all__ = [
    "CALL",
    "CALLS",
    "CALLS_CANCELLED",
    "CALLS_SAMPLED",
    "CALLS_TOTAL",
    "CALL_DURATION",
    "CALL_ERRORS",
    "COST",
    "COST_UNKNOWN",
    "LATE_CALLS",
    "LATE_CALLS_CANCELLED",
    "LATE_CALLS_SAMPLED",
    "LATE_CALL_ERRORS",
    "LATE_COST",
    "LATE_TOKENS",
    "TOKENS",
]

CALL: Final = ("module", "version", "signature", "environment")
"""The labels of whatever is told of calls."""

_BY_METRICS: Final = (Server.metrics,)
_LATE: Final = (
    "What a producer's record adds after over 5 minutes without one (an outage of Kafka, of the network or of this "
    "consumer): true in the sum, but of no known moment, so it is kept out of the series that rates and alerts read."
)

CALLS_TOTAL: Final = Metric(
    name="headrace_calls_total",
    kind=Kind.counter,
    help="Calls that ended, sampled or not.",
    comment="Calls that failed or were cancelled are among them. A module inside another one counts its own calls.",
    unit="calls",
    labels=CALL,
    source=Source.statistics,
    served_by=_BY_METRICS,
)
CALL_ERRORS: Final = Metric(
    name="headrace_call_errors_total",
    kind=Kind.counter,
    help="Calls that failed, by the exception's class.",
    comment="`Unsuccessful` is what a success predicate refused; `other` is what exceeds 32 classes of a module in one "
    "process, or this consumer's limit. Success rate: 1 - errors / (calls - cancelled).",
    unit="calls",
    labels=(*CALL, "error_type"),
    source=Source.statistics,
    served_by=_BY_METRICS,
)
CALLS_CANCELLED: Final = Metric(
    name="headrace_calls_cancelled_total",
    kind=Kind.counter,
    help="Calls that were told to end; no errors.",
    unit="calls",
    labels=CALL,
    source=Source.statistics,
    served_by=_BY_METRICS,
)
CALLS_SAMPLED: Final = Metric(
    name="headrace_calls_sampled_total",
    kind=Kind.counter,
    help="Calls that the sample captured.",
    comment="The actual sampling rate: this over headrace_calls_total. What a keep rule added is not in it.",
    unit="calls",
    labels=CALL,
    source=Source.statistics,
    served_by=_BY_METRICS,
)
CALL_DURATION: Final = Metric(
    name="gen_ai_client_operation_duration_seconds",
    kind=Kind.histogram,
    help="Duration of every call, sampled or not.",
    comment="OpenTelemetry's gen_ai.client.operation.duration with its advised buckets, and 1, 3, 5, 10 and 30 s, at "
    "which people set thresholds: a share of calls slower than a bound is exact. In OpenMetrics a bucket's exemplar is "
    "a sampled call's `request_id`.",
    unit="seconds",
    labels=CALL,
    bounds=BOUNDS_S,
    source=Source.statistics,
    served_by=_BY_METRICS,
)
TOKENS: Final = Metric(
    name="headrace_tokens_total",
    kind=Kind.counter,
    help="Tokens of all calls, estimated from the sampled ones.",
    comment="A call's tokens include those of modules inside it.",
    unit="tokens",
    labels=(*CALL, "gen_ai_request_model", "gen_ai_token_type"),
    source=Source.usage,
    served_by=_BY_METRICS,
)
COST: Final = Metric(
    name="headrace_cost_usd_total",
    kind=Kind.counter,
    help="Cost of all calls, estimated from the sampled ones.",
    comment="A call's cost includes that of modules inside it. Calls of unknown cost are not in it.",
    unit="usd",
    labels=(*CALL, "gen_ai_request_model"),
    source=Source.usage,
    served_by=_BY_METRICS,
)
COST_UNKNOWN: Final = Metric(
    name="headrace_calls_cost_unknown_total",
    kind=Kind.counter,
    help="Sampled calls whose cost DSPy does not know.",
    unit="calls",
    labels=(*CALL, "gen_ai_request_model"),
    source=Source.statistics,
    served_by=_BY_METRICS,
)
LATE_CALLS: Final = Metric(
    name="headrace_late_calls_total",
    kind=Kind.counter,
    help="Calls that were told of over 5 minutes late; not in headrace_calls_total.",
    comment=_LATE,
    unit="calls",
    labels=CALL,
    source=Source.statistics,
    served_by=_BY_METRICS,
)
LATE_CALL_ERRORS: Final = Metric(
    name="headrace_late_call_errors_total",
    kind=Kind.counter,
    help="Of these, calls that failed.",
    unit="calls",
    labels=(*CALL, "error_type"),
    source=Source.statistics,
    served_by=_BY_METRICS,
)
LATE_CALLS_CANCELLED: Final = Metric(
    name="headrace_late_calls_cancelled_total",
    kind=Kind.counter,
    help="Of these, calls that were told to end; no errors.",
    comment="Success rate of what came late: 1 - late errors / (late calls - late cancelled).",
    unit="calls",
    labels=CALL,
    source=Source.statistics,
    served_by=_BY_METRICS,
)
LATE_CALLS_SAMPLED: Final = Metric(
    name="headrace_late_calls_sampled_total",
    kind=Kind.counter,
    help="Of these, calls that the sample captured.",
    unit="calls",
    labels=CALL,
    source=Source.statistics,
    served_by=_BY_METRICS,
)
LATE_TOKENS: Final = Metric(
    name="headrace_late_tokens_total",
    kind=Kind.counter,
    help="Tokens that were told of over 5 minutes late, estimated; not in headrace_tokens_total.",
    unit="tokens",
    labels=TOKENS.labels,
    source=Source.usage,
    served_by=_BY_METRICS,
)
LATE_COST: Final = Metric(
    name="headrace_late_cost_usd_total",
    kind=Kind.counter,
    help="Cost that was told of over 5 minutes late, estimated; not in headrace_cost_usd_total.",
    unit="usd",
    labels=COST.labels,
    source=Source.usage,
    served_by=_BY_METRICS,
)

CALLS: Final = (
    CALLS_TOTAL,
    CALL_ERRORS,
    CALLS_CANCELLED,
    CALL_DURATION,
    CALLS_SAMPLED,
    TOKENS,
    COST,
    COST_UNKNOWN,
    LATE_CALLS,
    LATE_CALL_ERRORS,
    LATE_CALLS_CANCELLED,
    LATE_CALLS_SAMPLED,
    LATE_TOKENS,
    LATE_COST,
)
