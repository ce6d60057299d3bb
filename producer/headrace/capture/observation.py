"""One call of an instrumented module while it runs: counted in any case, and how much of it is kept.

observe() --None: suppressed or switched off, the call passes through--
    `--Observation--> recording: what a sampled call runs in
                 `--> end(): count; submit the record, or the outcome alone where a keep rule wants it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headrace.capture.marks import Mark, mark_of
from headrace.capture.outcome import outcome_of
from headrace.capture.recording import Recording
from headrace.capture.sampling import is_sampled, new_request_id
from headrace.capture.scope import Request, place
from headrace.keep import NO_MATCH, level_of
from headrace.runtime import slot
from headrace_schemas import keys

if TYPE_CHECKING:
    from headrace.keep import Match
    from headrace.runtime import Runtime

__all__ = ["Observation", "observe"]

_TRIES: Final = 3
"""A new configuration may seal the counters between finding and using them; that often in a row it does not."""


class Observation:
    """A call in progress.

    Args:
        runtime: what is configured.
        mark: the module's instrumentation.

    Attributes:
        recording: of the call, if it is a root and sampled.
        rate: the share of its requests that are captured.
        request_id: its request's, if it is a root that may be kept.
        request: that request, if one is open.
        started_s: when it began.
    """

    __slots__ = ("_mark", "_runtime", "rate", "recording", "request", "request_id", "started_s")

    def __init__(self, runtime: Runtime, mark: Mark) -> None:
        self._runtime = runtime
        self._mark = mark
        self.recording: Recording | None = None
        self.rate = 0.0
        self.request_id: str | None = None
        self.request: Request | None = None
        self.started_s = 0.0

    def end(self, output: Any, error: BaseException | None) -> None:
        """Count the call and submit what is kept of it. Never raises."""
        try:
            ended_s = self._runtime.perf_counter()
            latency_s = ended_s - self.started_s
            # What is no Exception does not say that the call failed, but that it was told to end: CancelledError,
            # GeneratorExit, KeyboardInterrupt, SystemExit, and their like in other frameworks.
            is_cancelled = error is not None and not isinstance(error, Exception)
            self._count(latency_s, None if error is None else type(error).__name__, is_cancelled)
            if self.request_id is not None:
                # A call that a new configuration overtakes is the new one's: the old one is closing.
                keep = (slot.active or self._runtime).keep
                failed = error is not None and not is_cancelled
                rule = keep.match(failed=failed, latency_s=latency_s, now_s=ended_s) if keep.is_on else NO_MATCH
                if self.recording is not None:
                    self.recording.finish(output, error, latency_s=latency_s, probability=max(self.rate, rule.rate))
                elif rule.rate > self.rate:
                    self._keep(self.request_id, error, latency_s, rule)
        except Exception as failure:
            self._runtime.tell_of(failure)

    def _count(self, latency_s: float, error_type: str | None, cancelled: bool, tries: int = _TRIES) -> None:  # noqa: FBT001  # on every call
        counters = (slot.active or self._runtime).pipeline.counters
        if not counters.add(self._mark.key, latency_s, error_type, cancelled=cancelled) and tries > 1:
            self._count(latency_s, error_type, cancelled, tries - 1)

    def _keep(self, request_id: str, error: BaseException | None, latency_s: float, rule: Match) -> None:
        if level_of(keys.sampling_hash(request_id), self.rate, rule.rate) == "outcome":
            runtime = slot.active or self._runtime
            request = self.request or Request(request_id)
            try:
                outcome = outcome_of(runtime, request, self._mark, error, latency_s=latency_s, rule=rule)
                runtime.pipeline.submit(outcome)
            except Exception as failure:
                runtime.count_failure(failure)


def observe(
    runtime: Runtime, mark: Mark, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Observation | None:
    """Begin a call; None where nothing is to be known of it. Never raises."""
    try:
        rate = runtime.policy.rate_of(mark.key[0])
        scope, callers = place()
        if rate is None or scope.suppressed:
            return None
        observation = Observation(runtime, mark)
        # Inside an instrumented call that was not sampled: its request has decided, whatever request is open now.
        is_root = not scope.closed and not (callers and any(mark_of(caller) is not None for caller in callers))
        request = scope.request
        if is_root and (rate > 0 or runtime.keep.is_on) and (request is None or request.consent):
            observation.request = request
            request_id = new_request_id() if request is None else request.request_id
            observation.request_id = request_id
            observation.rate = rate
            if is_sampled(request_id, rate):
                request = request or Request(request_id)
                observation.recording = Recording(
                    runtime, mark=mark, module=module, request=request, rate=rate, args=args, kwargs=kwargs
                )
    except Exception as error:
        runtime.count_failure(error)
        observation = Observation(runtime, mark)
    observation.started_s = runtime.perf_counter()
    return observation
