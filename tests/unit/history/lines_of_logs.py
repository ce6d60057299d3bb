"""Lines of old logs for the tests."""

import json
from pathlib import Path
from typing import Any

from headrace_consumers.history.lines import LogLine

__all__ = ["as_line", "historic"]


def historic(**changes: Any) -> dict[str, Any]:
    """The document's example; a change to `...` takes the field away."""
    record: dict[str, Any] = {
        "module_name": "reviewer",
        "module_version": "baseline",
        "signature": "extract_requirements",
        "input": {"user_intent": "Implement user authentication", "context": "REST API project"},
        "output": {"requirements": ["JWT token generation", "Session management"]},
        "timestamp_ms": 1_699_564_800_000,
        "latency_ms": 250,
        "tokens": 120,
        "cost_usd": 0.0018,
        "model": "claude-haiku-4-5",
        "success": True,
        "error": None,
        **changes,
    }
    return {name: value for name, value in record.items() if value is not ...}


def as_line(record: Any, number: int = 1) -> LogLine:
    """A record as a line of a log."""
    content = record if isinstance(record, bytes) else json.dumps(record).encode()
    return LogLine(Path("old.jsonl"), number, content)
