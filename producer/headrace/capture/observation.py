"""One call of an instrumented module while it runs: it is always counted, and recorded if its request is sampled.

observe() --None: suppressed, the call passes through--
    `--Observation--> settings(): what a recorded call runs in; end(): count, and submit the record
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.capture.marks import Mark, mark_of
from headrace.capture.recording import Recording
from headrace.capture.sampling import is_sampled, new_request_id
from headrace.capture.scope import Request, Scope, place
from headrace.runtime import slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.runtime import Runtime

__all__ = ["Observation", "observe"]

_TRIES = 3
"""A new configuration may seal the counters between finding and using them; that often in a row it does not."""


class Observation:
    """A call in progress.

    Args:
        runtime: what is configured.
        mark: the module's instrumentation.
        recording: of the call, if it is a root and sampled.
    """

    __slots__ = ("_mark", "_runtime", "_started_s", "recording")

    def __init__(self, runtime: Runtime, mark: Mark, recording: Recording | None) -> None:
        self._runtime = runtime
        self._mark = mark
        self.recording = recording
        self._started_s = runtime.perf_counter()

    def end(self, output: Any, error: BaseException | None) -> None:
        """Count the call and submit its record. Never raises."""
        try:
            latency_s = self._runtime.perf_counter() - self._started_s
            self._count(latency_s, error)
            if self.recording is not None:
                self.recording.finish(output, error, latency_s)
        except Exception as failure:
            self._runtime.tell_of(failure)

    def _count(self, latency_s: float, error: BaseException | None) -> None:
        error_type, is_cancelled = None, False
        if error is not None:
            # What is no Exception does not say that the call failed, but that it was told to end: CancelledError,
            # GeneratorExit, KeyboardInterrupt, SystemExit, and their like in other frameworks.
            is_cancelled = not isinstance(error, Exception)
            error_type = type(error).__name__
        for _ in range(_TRIES):
            # A call that a new configuration overtakes is the new instance's: the old one is closing.
            counters = (slot.active or self._runtime).pipeline.counters
            if counters.add(self._mark.key, latency_s, error_type, cancelled=is_cancelled):
                return


def observe(
    runtime: Runtime, mark: Mark, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Observation | None:
    """Begin a call; None where capture is suppressed. Never raises."""
    recording = None
    try:
        scope, callers = place()
        if scope.suppressed:
            return None
        request = _sampled(runtime, scope, callers)
        if request is not None:
            recording = Recording(runtime, mark=mark, module=module, request=request, args=args, kwargs=kwargs)
    except Exception as error:
        runtime.count_failure(error)
    return Observation(runtime, mark, recording)


def _sampled(runtime: Runtime, scope: Scope, callers: Sequence[Any]) -> Request | None:
    """Return a call's request if the call is a root and its request is sampled."""
    # Inside an instrumented call that was not sampled: its request has decided, whatever request is open now.
    if scope.closed or (callers and any(mark_of(caller) is not None for caller in callers)):
        return None
    request = scope.request
    request_id = new_request_id() if request is None else request.request_id
    if not is_sampled(request_id, runtime.rate):
        return None
    return request or Request(request_id)
