"""One call that gets a record: from its inputs, when it begins, to a `CapturedCall`, when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dspy

from headrace.capture.program import NOTHING_TOLD
from headrace.capture.sampling import to_unicode
from headrace.capture.success import Unsuccessful
from headrace.capture.tracing import active_trace
from headrace.capture.usage import UNKNOWN, LMCall, total
from headrace.capture.values import fields_to_json
from headrace.captured import CapturedCall
from headrace.interruption import pass_on

if TYPE_CHECKING:
    from headrace.capture.identity import SignatureIdentity
    from headrace.capture.marks import Mark
    from headrace.capture.scope import Request
    from headrace.counters import Key
    from headrace.propagation import Trace
    from headrace.routing.route import Route
    from headrace.runtime import Runtime

__all__ = ["MAX_ERROR_CHARACTERS", "Span", "error_message", "output_fields"]

MAX_ERROR_CHARACTERS: Final = 2_000


class Span:
    """A call in progress.

    Args:
        runtime: the clocks, the ids and the sampling rate.
        request: the request that it belongs to.
        mark: the instrumentation of the innermost instrumented module around it (or of itself).
        home: that module.
        identity: its dataset.
        arguments: its inputs by name, as the caller gave them.
        parent: the enclosing span; None for the root.
        key: under which the call is counted; None for a predictor that is not instrumented itself.
        rate: the sampling rate of the root.
        route: what the call is told; None where no rollout reaches it.
    """

    def __init__(
        self,
        runtime: Runtime,
        request: Request,
        *,
        mark: Mark,
        home: Any,
        identity: SignatureIdentity,
        arguments: dict[str, Any],
        parent: Span | None,
        key: Key | None,
        rate: float,
        route: Route | None = None,
    ) -> None:
        self._runtime = runtime
        self._request = request
        self.mark = mark
        self.home = home
        self.key = key
        self.version = mark.version_in(route)
        self._told = NOTHING_TOLD if route is None else route.told
        self._rate = rate
        self._identity = identity
        self._arguments = arguments
        self._max_bytes = runtime.config.telemetry.max_field_bytes
        self._input, is_cut = fields_to_json(arguments, self._max_bytes)  # now, for the call may change them
        self._is_cut = is_cut or request.is_cut
        # Of one program at one moment: inside a call it is not looked at again.
        if parent is not None and parent.home is home and parent.mark is mark and parent.is_told_as(route):
            self.program_hash: str | None = parent.program_hash
        else:
            self.program_hash = mark.program.of(home, self._told)
        self._parent = parent
        self.trace: Trace | None = active_trace() or (request.trace if parent is None else parent.trace)
        self._lm_calls: list[LMCall] = []
        self._usage_is_known = True
        self.event_id = runtime.new_id()
        self._timestamp_ms = runtime.time_ns() // 1_000_000
        self._started_s = runtime.perf_counter()

    def is_told_as(self, route: Route | None) -> bool:
        """Tell whether predictors are told in this call what a route says."""
        return self._told is (NOTHING_TOLD if route is None else route.told)

    def is_within(self, other: Span) -> bool:
        """Tell whether this span is another one or inside it."""
        return self is other or (self._parent is not None and self._parent.is_within(other))

    def add(self, call: LMCall) -> None:
        """Count an LM call made inside, here and in every enclosing span."""
        self._lm_calls.append(call)
        if self._parent is not None:
            self._parent.add(call)

    def usage_is_unknown(self) -> None:
        """Report no usage, here and in every enclosing span."""
        self._usage_is_known = False
        if self._parent is not None:
            self._parent.usage_is_unknown()

    def is_not_whole(self) -> None:
        """Mark the record: some of what it should hold was too much to be copied."""
        self._is_cut = True

    def is_the_call_of(self, predictor: Any, arguments: dict[str, Any]) -> bool:
        """Tell whether this span's record already is the record of a predictor's call.

        So it is for a module that hands its own inputs to its only predictor. Where it calls the predictor with other
        inputs, e.g. rewritten ones, that is an example of its own.
        """
        if not (self.mark.identities.is_transparent(predictor) and self._identity is self.mark.identities.root):
            return False
        mine = self._arguments
        if mine.keys() == arguments.keys() and all(mine[name] is arguments[name] for name in mine):
            return True
        return bool(self._input == fields_to_json(arguments, self._max_bytes)[0])

    def end(
        self,
        output: Any,
        error: BaseException | None,
        *,
        latency_s: float | None = None,
        probability: float | None = None,
    ) -> CapturedCall:
        """Return the finished call.

        Args:
            output: what it returned.
            error: what it raised instead, if anything.
            latency_s: how long it took, where that was measured already.
            probability: with which it is kept, where that is not the sampling rate.
        """
        if latency_s is None:
            latency_s = self._runtime.perf_counter() - self._started_s
        fields = {} if error is not None and not isinstance(error, Unsuccessful) else self._output(output)
        usage = total(self._lm_calls) if self._usage_is_known else UNKNOWN
        return CapturedCall(
            event_id=self.event_id,
            parent_event_id=None if self._parent is None else self._parent.event_id,
            request_id=self._request.request_id,
            subject_id=self._request.subject_id,
            trace_id=None if self.trace is None else self.trace.trace_id,
            span_id=None if self.trace is None else self.trace.span_id,
            module_name=self.mark.name,
            module_version=self.version,
            signature=self._identity.name,
            fields_hash=self._identity.fields_hash,
            program_hash=self.program_hash,
            input=self._input,
            output=fields,
            timestamp_ms=self._timestamp_ms,
            latency_ms=latency_s * 1000,
            tokens_input=usage.tokens_input,
            tokens_output=usage.tokens_output,
            cost_usd=usage.cost_usd,
            model=usage.model,
            lm_calls=usage.lm_calls,
            cache_hits=usage.cache_hits,
            success=error is None,
            error=None if error is None else error_message(error),
            error_type=None if error is None else type(error).__name__,
            inclusion_probability=self._rate if probability is None else probability,
            attributes=dict(self._request.attributes),
            truncated=self._is_cut,
        )

    def _output(self, output: Any) -> Any:
        fields = output_fields(output)
        if isinstance(output, dspy.Example):
            fields = {**dict.fromkeys(self._identity.outputs), **fields}
        encoded, is_cut = fields_to_json(fields, self._max_bytes)
        self._is_cut |= is_cut
        return encoded


def output_fields(output: Any) -> dict[str, Any]:
    """Return the fields of a Prediction (without further completions); any other value is the field ``output``."""
    return dict(output.items()) if isinstance(output, dspy.Example) else {"output": output}


def error_message(error: BaseException) -> str | None:
    """Return an exception's text, not too long; None where there was none."""
    if isinstance(error, Unsuccessful):
        return None
    try:
        return to_unicode(error)[:MAX_ERROR_CHARACTERS]
    except (Exception, SystemExit, KeyboardInterrupt) as failure:  # of its __str__: the caller's error is the other
        pass_on(failure)
        return "<no message>"
