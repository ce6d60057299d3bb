"""One call of an instrumented module while it runs: counted in any case, and how much of it is kept.

observe() --None: suppressed or switched off, the call passes through--
    `--Observation--> settings: what the call runs in, where it or one around it is recorded, or has a route
                 `--> returned(output), raised(error): the end, or for a stream its beginning
                        `--> count; submit the record, or the outcome alone where a keep rule wants it
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import dspy
from dspy.dsp.utils.settings import thread_local_overrides

from headrace.capture.ended import without_ended
from headrace.capture.marks import Mark, are_open
from headrace.capture.outcome import outcome_of
from headrace.capture.recording import Recording
from headrace.capture.sampling import new_request_id, share_of
from headrace.capture.scope import KEY, NOTHING, Request, Scope, applying, put_back
from headrace.capture.streams import STREAMS, Collected, watched
from headrace.capture.success import judged
from headrace.interruption import came_from_a_signal, pass_on
from headrace.keep import NO_MATCH, level_of
from headrace.runtime import slot
from headrace_schemas import keys
from headrace_schemas.keys import sampling_digest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from headrace.capture.span import Span
    from headrace.counters import Key
    from headrace.keep import Match
    from headrace.routing.route import Route, Routing
    from headrace.runtime import Runtime

__all__ = ["Observation", "observe"]

_TRIES: Final = 3
"""A new configuration may seal the counters between finding and using them; that often in a row it does not."""


class Observation:
    """A call in progress.

    Args:
        runtime: what is configured.
        mark: the module's instrumentation.
        scope: what applies where it was called.
        before: the settings that the caller's thread has.

    Attributes:
        recording: that takes the call in, if one does.
        route: what its predictors are told, and its arm; None where no rollout reaches it.
        request: its request, also where nobody opened one and a route was decided by it.
        is_plain: whether it runs in the caller's own settings.
        is_counted: whether it counts, and is kept; else it has a route only.
        span: of the call in there; the root's from the beginning, an inner one's once DSPy has begun it.
        rate: the share of its requests that are captured.
        request_id: its request's, if it is a root that may be kept.
        started_s: when it began.
        has_ended: whether it is over, for a stream with that.
    """

    __slots__ = (
        "_before",
        "_collected",
        "_mark",
        "_runtime",
        "_scope",
        "has_ended",
        "is_counted",
        "is_plain",
        "rate",
        "recording",
        "request",
        "request_id",
        "route",
        "span",
        "started_s",
    )

    def __init__(self, runtime: Runtime, mark: Mark, scope: Scope, before: Any) -> None:
        self._runtime = runtime
        self._before = before
        self._mark = mark
        self._scope = scope
        self.recording: Recording | None = None
        self.route: Route | None = scope.route
        self.request = scope.request
        self.is_plain = True
        self.is_counted = True
        self.span: Span | None = None
        self.rate = 0.0
        self.request_id: str | None = None
        self.started_s = 0.0
        self._collected: Collected | None = None
        self.has_ended = False

    @property
    def settings(self) -> dict[str, Any]:
        """The settings in which the call is to run, where it is recorded or has a route of its own."""
        if self.recording is not None and self.request_id is not None:
            return self.recording.settings(self, self._scope)
        scope = self._scope
        if not self.is_counted:  # the modules inside decide for themselves whether they count
            return {KEY: replace(scope, call=self, outer=scope, route=self.route)}
        return {
            KEY: Scope(  # `replace` takes three times as long
                request=self.request,
                closed=True,
                suppressed=scope.suppressed,
                recording=scope.recording,
                observation=self,
                call=self,
                route=self.route,
                block=scope.block,
                outer=scope,
            )
        }

    def is_of(self, mark: Mark) -> bool:
        """Tell whether this is a call of a module."""
        return self._mark is mark

    @property
    def is_streaming(self) -> bool:
        """Whether it returned a stream."""
        return self._collected is not None

    def returned(self, output: Any) -> Any:
        """Return what the caller gets: `output`, or a generator in its place that ends the call later. Never raises."""
        if type(output) in STREAMS:
            try:
                self._collected = Collected(self._runtime.config.telemetry.max_field_bytes)
                return watched(output, self)
            except Exception as failure:
                pass_on(failure)
                self._runtime.tell_of(failure)
        self._end(output, None)
        return output

    def raised(self, error: BaseException) -> None:
        """End the call by what it raised. Never raises."""
        recording = self.recording
        if recording is not None:
            put_back(self._before, lambda current: current.recording is recording and current is not self._scope)
        elif thread_local_overrides.get() is not self._before and came_from_a_signal(error):
            thread_local_overrides.set(self._before)  # DSPy was interrupted as it entered its own for this call
        self._end(None, error)

    # A stream's steps; see `streams.Streaming`.

    def step(self) -> AbstractContextManager[Any]:
        """Return the settings of the call: those that were open when it was made are the caller's again."""
        context: AbstractContextManager[Any] = dspy.context(**self.settings)
        return context

    def collect(self, item: Any) -> None:
        """Keep an item for the record, or just the last for the success predicate."""
        collected = self._collected
        if collected is not None:
            try:
                if self.recording is None:
                    collected.last = item
                else:
                    collected.add(item)
            except Exception as failure:
                pass_on(failure)
                self._runtime.tell_of(failure)

    def end_stream(self, error: BaseException | None) -> None:
        """End the call: consumed, failed, closed or abandoned, whichever comes first."""
        self._end(None, error)

    def _end(self, output: Any, error: BaseException | None) -> None:
        """Count the call and submit what is kept of it."""
        if self.has_ended:
            return
        self.has_ended = True
        if not self.is_counted:
            return
        self._mark.open.pop()
        if self.recording is not None and self.request_id is not None:
            self.recording.has_ended = True
        try:
            ended_s = self._runtime.perf_counter()
            latency_s = ended_s - self.started_s
            collected = self._collected
            if error is None and self._mark.success is not None:
                error = judged(self._mark, output if collected is None else collected.last)
            failed = is_cancelled = False
            if error is not None:
                # What is no Exception does not say that the call failed, but that it was told to end: CancelledError,
                # GeneratorExit, KeyboardInterrupt, SystemExit, and their like in other frameworks.
                failed = isinstance(error, Exception)
                is_cancelled = not failed
            error_type = None if error is None else type(error).__name__
            # A call that a new configuration overtakes is the new one's: the old one is closing.
            runtime = slot.active or self._runtime
            key = self._mark.key if self.route is None else self._mark.key_in(self.route)
            if not runtime.pipeline.counters.add(key, latency_s, error_type, cancelled=is_cancelled):
                self._count_again(key, latency_s, error_type, cancelled=is_cancelled)
            rule = NO_MATCH
            if (failed or latency_s > runtime.keep.slow_s) and self.request_id is not None:
                rule = runtime.keep.match(failed=failed, latency_s=latency_s, now_s=ended_s)
                if self.recording is None and rule.rate > self.rate:
                    self._keep(self.request_id, error, latency_s, rule)
            if self.recording is not None and self.span is not None:
                self.span.key = key  # a comparison may have become void meanwhile
                if collected is not None:
                    output = collected.output()
                    if collected.is_cut:
                        self.span.is_not_whole()
                probability = None if self.request_id is None else max(self.rate, rule.rate)
                self.recording.submit(self.span, output, error, latency_s=latency_s, probability=probability)
        except Exception as failure:
            pass_on(failure)
            self._runtime.tell_of(failure)

    def _count_again(self, key: Key, latency_s: float, error_type: str | None, *, cancelled: bool) -> None:
        """Count a call in the counters of the configuration that sealed those before."""
        for _ in range(_TRIES - 1):
            counters = (slot.active or self._runtime).pipeline.counters
            if counters.add(key, latency_s, error_type, cancelled=cancelled):
                return

    def _keep(self, request_id: str, error: BaseException | None, latency_s: float, rule: Match) -> None:
        if level_of(keys.sampling_hash(request_id), self.rate, rule.rate) == "outcome":
            runtime = slot.active or self._runtime
            request = self._scope.request or Request(request_id)
            version = self._mark.version_in(self.route)
            try:
                outcome = outcome_of(runtime, request, self._mark, version, error, latency_s=latency_s, rule=rule)
                runtime.pipeline.submit(outcome)
            except Exception as failure:
                pass_on(failure)
                runtime.count_failure(failure)


def observe(
    runtime: Runtime, mark: Mark, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Observation | None:
    """Begin a call; None where nothing is to be known of it. Never raises."""
    # A call that is not sampled costs this function, the hash and the counters. Python's own calls are what is dear
    # there, the more so as the program has emptied the processor's caches meanwhile; so it is spelt out.
    scope = NOTHING
    overrides = thread_local_overrides.get()
    try:
        found = overrides.get(KEY, NOTHING)
        scope = applying(found)
        if found.call.has_ended:
            overrides = without_ended(overrides, scope)
        policy = runtime.policy
        decided_by, rate, threshold = mark.share
        if decided_by is not policy:
            decided_by, rate, threshold = mark.share = share_of(policy, mark.key[0])
        routing = mark.routing
        if rate is None or scope.suppressed:
            return None if routing is None else _routed_only(routing, runtime, mark, scope, overrides)
        is_inside = None
        if not scope.closed and (callers := overrides.get("caller_modules")):
            is_inside = are_open(callers)
            if is_inside is False:
                overrides = without_ended(overrides, scope)
        observation = Observation(runtime, mark, scope, overrides)
        request = scope.request
        routed_id = None
        if routing is not None:
            routed_id = new_request_id() if request is None else request.request_id
            observation.route = routing.route(routed_id).inside(scope.route)
            observation.request = request or Request(routed_id)
            observation.is_plain = False
        if scope.closed:
            observation.recording = scope.recording
            observation.is_plain = observation.is_plain and scope.recording is None
        # Inside an instrumented call that was not sampled: its request has decided, whatever request is open now.
        elif is_inside:
            pass
        elif (rate > 0 or runtime.keep.is_on) and (request is None or request.consent):
            request_id = (routed_id or new_request_id()) if request is None else request.request_id
            observation.request_id = request_id
            observation.rate = rate
            if sampling_digest(request_id) < threshold:
                request = request or Request(request_id)
                recording = Recording(
                    runtime,
                    mark=mark,
                    module=module,
                    request=request,
                    rate=rate,
                    route=observation.route,
                    args=args,
                    kwargs=kwargs,
                )
                observation.recording, observation.span = recording, recording.root
                observation.is_plain = False
    except Exception as error:
        pass_on(error)
        runtime.count_failure(error)
        observation = Observation(runtime, mark, scope, overrides)
    observation.started_s = runtime.perf_counter()
    mark.open.append(None)
    return observation


def _routed_only(routing: Routing, runtime: Runtime, mark: Mark, scope: Scope, before: Any) -> Observation | None:
    """Begin a call of which nothing is to be known, where another version than the deployed one is served to all."""
    route = routing.standing.inside(scope.route)
    if not route.told:
        return None
    observation = Observation(runtime, mark, scope, before)
    observation.route = route
    observation.is_plain = observation.is_counted = False
    return observation
