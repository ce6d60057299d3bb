"""A captured call with some of its fields changed."""

from typing import Any

from headrace.captured import CapturedCall

__all__ = ["captured_call"]


def captured_call(number: int = 0, **changes: Any) -> CapturedCall:
    fields: dict[str, Any] = {
        "event_id": f"event-{number}",
        "request_id": f"request-{number}",
        "module_name": "support",
        "module_version": "baseline",
        "signature": "Answer",
        "fields_hash": "0123456789abcdef",
        "input": {"question": f"why {number}?"},
        "output": {"answer": "because"},
        "timestamp_ms": 1_700_000_000_000,
        "success": True,
        "inclusion_probability": 0.5,
    }
    return CapturedCall(**{**fields, **changes})
