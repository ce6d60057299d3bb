"""What a caller's headers say of a request: its id and its place in a trace. Pure; what is malformed is no id.

The headers come from anybody: whatever is not surely an id is ignored, so that none can carry text into the records.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

__all__ = ["MAX_REQUEST_ID_CHARACTERS", "TRACEPARENT", "Trace", "request_id_of", "trace_of"]

TRACEPARENT: Final = "traceparent"
MAX_REQUEST_ID_CHARACTERS: Final = 128

_REQUEST_ID: Final = re.compile(rf"[A-Za-z0-9._:/+=~-]{{1,{MAX_REQUEST_ID_CHARACTERS}}}", re.ASCII)
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.ASCII)


class Trace(NamedTuple):
    """A place in a trace, as W3C Trace Context writes it.

    Attributes:
        trace_id: 32 lower-case hex digits, not all zero.
        span_id: 16 lower-case hex digits, not all zero.
    """

    trace_id: str
    span_id: str


def trace_of(traceparent: object) -> Trace | None:
    """Return what a `traceparent` header says; None where it is missing or malformed.

    Of a version to come the first four parts are read, as the standard asks.
    """
    found = _TRACEPARENT.fullmatch(traceparent.strip(" \t")) if isinstance(traceparent, str) else None
    if found is None:
        return None
    version, trace_id, span_id, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Trace(trace_id, span_id)


def request_id_of(headers: Mapping[str, list[str]], preferred: Iterable[str]) -> str | None:
    """Return the request id that the first well-formed header gives.

    Args:
        headers: by lower-case name, each with all its values; one that is given twice is malformed.
        preferred: the headers to ask, in turn; `traceparent` gives its trace id.
    """
    for name in preferred:
        values = headers.get(name, ())
        if len(values) != 1:
            continue
        if name == TRACEPARENT:
            trace = trace_of(values[0])
            if trace is not None:
                return trace.trace_id
        elif _REQUEST_ID.fullmatch(values[0].strip(" \t")):
            return values[0].strip(" \t")
    return None
