"""The records as Python sees them. The .avsc files are the contract; a test holds both together."""

from typing import TypedDict

__all__ = ["DeadLetter", "Header", "Interaction"]


class Interaction(TypedDict):
    """One sampled call; each field's meaning stands in interaction.v1.avsc."""

    event_id: str
    parent_event_id: str | None
    request_id: str
    subject_id: str | None
    trace_id: str | None
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
