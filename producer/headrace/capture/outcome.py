"""The record of a call of which a rule keeps how it ended, and nothing of what went in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.capture.span import error_message
from headrace.capture.tracing import active_trace
from headrace.captured import CapturedCall

if TYPE_CHECKING:
    from headrace.capture.marks import Mark
    from headrace.capture.scope import Request
    from headrace.keep import Match
    from headrace.runtime import Runtime

__all__ = ["outcome_of"]


def outcome_of(
    runtime: Runtime,
    request: Request,
    mark: Mark,
    version: str,
    error: BaseException | None,
    *,
    latency_s: float,
    rule: Match,
) -> CapturedCall:
    """Return the outcome of a call that just ended.

    Args:
        runtime: the clock and the ids.
        request: the request it belonged to.
        mark: the module's instrumentation.
        version: of the program that was called.
        error: what it raised, if anything.
        latency_s: how long it took.
        rule: the rule that keeps it.
    """
    identity = mark.identities.root
    trace = active_trace() or request.trace
    return CapturedCall(
        event_id=runtime.new_id(),
        request_id=request.request_id,
        subject_id=request.subject_id,
        trace_id=None if trace is None else trace.trace_id,
        span_id=None if trace is None else trace.span_id,
        module_name=mark.name,
        module_version=version,
        signature=identity.name,
        fields_hash=identity.fields_hash,
        input={},
        output={},
        timestamp_ms=int(runtime.time_ns() / 1e6 - latency_s * 1e3),
        latency_ms=latency_s * 1e3,
        success=error is None,
        error=None if error is None else error_message(error),
        error_type=None if error is None else type(error).__name__,
        inclusion_probability=rule.rate,
        capture_level="outcome",
        keep_reason=rule.reason,
        attributes=dict(request.attributes),
        truncated=request.is_cut,
    )
