"""What the sampled records tell: distributions and estimates for all calls, weighed by 1 / inclusion probability."""

from typing import Final

from headrace_consumers.monitoring.catalogue.calls import CALL
from headrace_consumers.monitoring.metric import Kind, Metric, Server, Source

__all__ = [
    "CACHE_HITS",
    "CALL_COST",
    "COST_BOUNDS_USD",
    "LM_CALLS",
    "QUALITY_COST",
    "QUALITY_LATENCY",
    "QUALITY_REQUESTS",
    "QUALITY_SUCCESS",
    "QUALITY_TOKENS",
    "REDACTIONS",
    "SAMPLES",
    "TOKEN_USAGE",
]

COST_BOUNDS_USD: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Bounds of a call's cost; the consumer adds `quality_thresholds.max_cost_p99_usd`."""
_TOKEN_BOUNDS: Final = tuple(float(4**power) for power in range(14))
_BY_METRICS: Final = (Server.metrics,)
_INTERVAL: Final = (
    "Of the last hour's records; `bound` is estimate, lower or upper: Hajek's ratio with a 95% interval, in which "
    "records of one request count as one observation. Absent below 30 requests."
)


def _counter(name: str, text: str, unit: str, comment: str = "") -> Metric:
    return Metric(
        name=name,
        kind=Kind.counter,
        help=text,
        comment=comment,
        unit=unit,
        labels=CALL,
        source=Source.interactions,
        served_by=_BY_METRICS,
    )


def _quality(name: str, text: str, unit: str) -> Metric:
    return Metric(
        name=name,
        kind=Kind.gauge,
        help=text,
        comment=_INTERVAL,
        unit=unit,
        labels=(*CALL, "bound"),
        source=Source.interactions,
        served_by=_BY_METRICS,
    )


CALL_COST: Final = Metric(
    name="headrace_call_cost_usd",
    kind=Kind.histogram,
    help="Cost of a call, estimated for all calls from the sampled ones.",
    comment="Counts are weights, rounded. `quality_thresholds.max_cost_p99_usd` is one of the "
    "bounds. Calls of unknown cost are not in it; a cache hit costs nothing.",
    unit="usd",
    labels=CALL,
    bounds=COST_BOUNDS_USD,
    source=Source.interactions,
    served_by=_BY_METRICS,
)
TOKEN_USAGE: Final = Metric(
    name="gen_ai_client_token_usage",
    kind=Kind.histogram,
    help="Tokens of a call, estimated for all calls from the sampled ones.",
    comment="OpenTelemetry's gen_ai.client.token.usage with its advised buckets. Counts are weights, rounded.",
    unit="tokens",
    labels=(*CALL, "gen_ai_token_type"),
    bounds=_TOKEN_BOUNDS,
    source=Source.interactions,
    served_by=_BY_METRICS,
)
LM_CALLS: Final = _counter(
    "headrace_lm_calls_total", "Calls of language models, cache hits included, estimated.", "calls"
)
CACHE_HITS: Final = _counter(
    "headrace_lm_cache_hits_total", "Of these, answers out of DSPy's cache, estimated.", "calls"
)
REDACTIONS: Final = _counter(
    "headrace_redactions_total",
    "Substrings that redaction replaced in sampled records.",
    "substrings",
    "A count of what was done, not an estimate for all calls.",
)
QUALITY_SUCCESS: Final = _quality("headrace_quality_success_ratio", "Share of calls that succeeded, estimated.", "1")
QUALITY_LATENCY: Final = _quality("headrace_quality_latency_seconds", "Mean duration of a call, estimated.", "seconds")
QUALITY_COST: Final = _quality("headrace_quality_cost_usd", "Mean cost of a call, estimated.", "usd")
QUALITY_TOKENS: Final = _quality("headrace_quality_tokens", "Mean tokens of a call, estimated.", "tokens")
QUALITY_REQUESTS: Final = Metric(
    name="headrace_quality_requests",
    kind=Kind.gauge,
    help="Sampled requests that the estimates rest on.",
    unit="requests",
    labels=CALL,
    source=Source.interactions,
    served_by=_BY_METRICS,
)

SAMPLES: Final = (
    CALL_COST,
    TOKEN_USAGE,
    LM_CALLS,
    CACHE_HITS,
    REDACTIONS,
    QUALITY_SUCCESS,
    QUALITY_LATENCY,
    QUALITY_COST,
    QUALITY_TOKENS,
    QUALITY_REQUESTS,
)
