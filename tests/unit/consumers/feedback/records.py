"""Feedback and its messages for the tests."""

import time
from typing import Any

from headrace_consumers.dataset.kafka.message import Message
from headrace_schemas import Feedback, feedback_codec, keys

__all__ = ["NOW_MS", "feedback", "message_of"]

NOW_MS = time.time_ns() // 1_000_000
_CODEC = feedback_codec()


def feedback(**changes: Any) -> Feedback:
    """A valid feedback."""
    record: dict[str, Any] = {
        "feedback_id": "f-1",
        "request_id": "r-1",
        "module_name": "support",
        "subject_id": None,
        "score": 1.0,
        "label": "thumbs_up",
        "comment": "good",
        "correction": '{"answer":"blue"}',
        "timestamp_ms": NOW_MS,
        "service": "",
        "environment": "production",
        "instance": "",
        "redaction_version": "1",
        "redactions": 0,
        "truncated": False,
        **changes,
    }
    return record  # type: ignore[return-value]


def message_of(record: Feedback | bytes, offset: int = 0, partition: int = 0, *, key: bytes | None = None) -> Message:
    """The Kafka message of a feedback, or of raw bytes."""
    if isinstance(record, bytes):
        return Message(partition, offset, key, record, NOW_MS)
    return Message(partition, offset, key or keys.request_id_hash(record["request_id"]), _CODEC.encode(record), NOW_MS)
