"""A spooled record as a line of JSON, and back."""

import json
from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from headrace.delivery.outgoing import Kind, Outgoing

__all__ = ["KINDS", "decode", "encode"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_ADDED: Final[Mapping[str, Any]] = {"spool_bytes": 0, "program_failures": []}
"""Fields of statistics that a release before did not write, with their defaults."""
_ADDED_TO_CALLS: Final[Mapping[str, Any]] = {"arm": "", "rollout_id": "", "stage": 0}
"""... of the calls in them."""


def encode(outgoing: Outgoing) -> bytes:
    """Return a record as one line.

    Raises:
        TypeError, ValueError: a value that JSON or UTF-8 cannot hold.
    """
    line = {"kind": outgoing.kind, "record": outgoing.record}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Outgoing:
    """Return the record of a line.

    Raises:
        ValueError: the line is torn, or was written by nobody we know.
    """
    if not line.endswith(b"\n"):
        raise ValueError("the line has no end")
    value = json.loads(line)
    kind, record = (value.get("kind"), value.get("record")) if isinstance(value, dict) else (None, None)
    if kind not in KINDS or not isinstance(record, dict):
        raise ValueError("the line holds no record")
    if kind == "statistics":
        record = {**_ADDED, **record}
        calls = record.get("calls")
        if isinstance(calls, list) and all(isinstance(each, dict) for each in calls):
            record["calls"] = [{**_ADDED_TO_CALLS, **each} for each in calls]
    return Outgoing(kind, cast("Any", record))
