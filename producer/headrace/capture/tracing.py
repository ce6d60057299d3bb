"""The OpenTelemetry span that is active where a call begins, if the host uses OpenTelemetry; it is not imported."""

import sys

from headrace.interruption import pass_on
from headrace.propagation import Trace

__all__ = ["active_trace"]


def active_trace() -> Trace | None:
    """Return the place of the active span. Never raises."""
    opentelemetry = sys.modules.get("opentelemetry.trace")
    if opentelemetry is None:
        return None
    try:
        context = opentelemetry.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return Trace(f"{context.trace_id:032x}", f"{context.span_id:016x}")
    except Exception as error:  # half imported, or somebody's own span: a record without it is whole all the same
        pass_on(error)
        return None
