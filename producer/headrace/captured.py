"""What the caller's thread hands to the background: a call or a feedback as plain JSON values.

It shares nothing with the program, and is not redacted yet.
"""

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

__all__ = ["CUT_MARK", "Captured", "CapturedCall", "CapturedFeedback"]

CUT_MARK: Final = "...[cut]"
"""Stands where something was too much and left out."""


@dataclass(slots=True, kw_only=True)
class CapturedCall:
    """One captured call, before redaction. Fields as in interaction.v1.avsc; `input` and `output` still are objects.

    Names are as the user gave them; the background maps them to valid ones. `truncated`: parts of it were too much to
    copy on the caller's thread.
    """

    event_id: str
    parent_event_id: str | None = None
    request_id: str
    subject_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    module_name: str
    module_version: str
    signature: str
    fields_hash: str
    program_hash: str | None = None
    input: dict[str, Any]
    output: dict[str, Any]
    timestamp_ms: int
    latency_ms: float | None = None
    tokens_input: int | None = None
    tokens_output: int | None = None
    cost_usd: float | None = None
    model: str | None = None
    lm_calls: int | None = None
    cache_hits: int | None = None
    success: bool
    error: str | None = None
    error_type: str | None = None
    inclusion_probability: float
    capture_level: str = "full"
    keep_reason: str = "sample"
    attributes: dict[str, Any] = field(default_factory=dict)
    truncated: bool = False


@dataclass(slots=True, kw_only=True)
class CapturedFeedback:
    """What somebody said about a request, before redaction. Fields as in feedback.v1.avsc."""

    feedback_id: str
    request_id: str
    module_name: str | None = None
    subject_id: str | None = None
    score: float | None = None
    label: str | None = None
    comment: str | None = None
    correction: dict[str, Any] | None = None
    timestamp_ms: int
    truncated: bool = False


Captured: TypeAlias = CapturedCall | CapturedFeedback
"""All that goes through the queue."""
