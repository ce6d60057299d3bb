"""The records as Python sees them. The .avsc files are the contract; a test holds both together."""

from typing import TypedDict

__all__ = [
    "CallStatistics",
    "Control",
    "Count",
    "DeadLetter",
    "Feedback",
    "Header",
    "Interaction",
    "Statistics",
    "UsageStatistics",
]


class Interaction(TypedDict):
    """One sampled call; each field's meaning stands in interaction.v1.avsc."""

    event_id: str
    parent_event_id: str | None
    request_id: str
    subject_id: str | None
    trace_id: str | None
    span_id: str | None
    service: str
    environment: str
    instance: str
    module_name: str
    module_version: str
    signature: str
    fields_hash: str
    program_hash: str | None
    input: str
    output: str
    timestamp_ms: int
    latency_ms: float | None
    tokens: int | None
    tokens_input: int | None
    tokens_output: int | None
    cost_usd: float | None
    model: str | None
    lm_calls: int | None
    cache_hits: int | None
    success: bool
    error: str | None
    error_type: str | None
    inclusion_probability: float
    capture_level: str
    keep_reason: str
    redaction_version: str
    redactions: int
    truncated: bool
    dedup_key: str
    dedup_policy: str
    attributes: str


class Header(TypedDict):
    """One header of a Kafka message."""

    name: str
    value: bytes | None


class DeadLetter(TypedDict):
    """A message that could not be read; each field's meaning stands in deadletter.v1.avsc."""

    topic: str
    topic_id: str
    partition: int
    offset: int
    append_time_ms: int | None
    reason: str
    detail: str
    key: bytes | None
    value: bytes | None
    headers: list[Header]
    consumer: str


class Count(TypedDict):
    """How often something named happened."""

    name: str
    count: int


class UsageStatistics(TypedDict):
    """What the sampled calls of a module tell about one model; estimates for all its calls."""

    model: str
    sampled: int
    weight: float
    tokens_input: float
    tokens_output: float
    cost_usd: float
    unknown_cost: int


class CallStatistics(TypedDict):
    """The calls of one module, version and signature, and of one arm and stage where a rollout compares them."""

    module_name: str
    module_version: str
    signature: str
    arm: str
    rollout_id: str
    stage: int
    calls: int
    cancelled: int
    errors: list[Count]
    latency_s_sum: float
    latency_counts: list[int]
    usage: list[UsageStatistics]


class Statistics(TypedDict):
    """Cumulative counters of one producer instance; each field's meaning stands in statistics.v1.avsc."""

    instance: str
    started_at_ms: int
    sequence: int
    timestamp_ms: int
    is_last: bool
    service: str
    environment: str
    release: str
    sampled: int
    adopted: int
    delivered: int
    spooled: int
    in_flight: int
    dropped: list[Count]
    spool_bytes: int
    program_failures: list[Count]
    calls: list[CallStatistics]


class Feedback(TypedDict):
    """What somebody said about a request; each field's meaning stands in feedback.v1.avsc."""

    feedback_id: str
    request_id: str
    module_name: str | None
    subject_id: str | None
    score: float | None
    label: str | None
    comment: str | None
    correction: str | None
    timestamp_ms: int
    service: str
    environment: str
    instance: str
    redaction_version: str
    redactions: int
    truncated: bool


class Control(TypedDict):
    """An order to running producers; each field's meaning stands in control.v1.avsc."""

    kind: str
    name: str
    value: str
    updated_at_ms: int
    updated_by: str
