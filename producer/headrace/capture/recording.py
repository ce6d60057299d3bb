"""One sampled call while it runs: the root's span and a span for each inner call that gets a record of its own.

The recording is a DSPy callback and an owner of LM history, both put into the settings of this one call, so that calls
that are not sampled pay for neither. DSPy numbers every module, LM, adapter and tool call; `_places` leads from such a
number to the span around it, in whatever thread, so that an LM call is counted for the calls that enclose it and for
no other. What runs where DSPy's numbering does not reach (a raw thread) counts for the root.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

import dspy
from dspy.utils.callback import ACTIVE_CALL_ID, BaseCallback

from headrace.capture.arguments import shape_of
from headrace.capture.hooks import Callbacks
from headrace.capture.marks import Mark, mark_of
from headrace.capture.scope import KEY, Request, Scope, current_scope, setting
from headrace.capture.span import Span
from headrace.capture.usage import LMCall
from headrace.interruption import pass_on
from headrace.runtime import slot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headrace.captured import CapturedCall
    from headrace.counters import Key
    from headrace.routing.route import Route
    from headrace.runtime import Runtime

__all__ = ["Recording"]


def _hook(run: Callable[..., None]) -> Callable[..., None]:
    """Return a hook in which whatever goes wrong is counted and stays: DSPy would log it, payload and all.

    What a signal handler raised goes on to the host; see `Recording.__format__`.
    """

    @functools.wraps(run)
    def hook(self: Recording, call_id: str, *args: Any, **kwargs: Any) -> None:
        try:
            run(self, call_id, *args, **kwargs)
        except Exception as error:
            pass_on(error)
            self._runtime.count_failure(error)

    return hook


class Recording(BaseCallback):  # type: ignore[misc]  # dspy is untyped
    """The capture of one root call and of everything inside it.

    Args:
        runtime: where the records go, and the clocks.
        mark: the root module's instrumentation.
        module: the root module.
        request: the request it belongs to.
        rate: the share of the module's requests that are captured, for the records.
        route: what the call is told, and its arm.
        args: the call's positional arguments.
        kwargs: the call's keyword arguments.

    Attributes:
        root: the root call's span.
        has_ended: whether the root call is over: what began in it may finish its record, nothing begins any more.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        mark: Mark,
        module: Any,
        request: Request,
        rate: float,
        route: Route | None = None,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        self._runtime = runtime
        self._request = request
        self._rate = rate
        self._module = module
        self._root_has_begun = False
        self.has_ended = False
        self._open: dict[str, Span] = {}
        self._places: dict[str, Span] = {}
        self._lm_calls: dict[str, _LMInProgress] = {}
        self._tells_no_usage = self.history_is_off()
        self.root = self._span(
            mark=mark,
            home=module,
            identity=mark.identities.root,
            arguments=shape_of(module).bind(args, kwargs),
            parent=None,
            key=mark.key_in(route),
            route=route,
        )

    def settings(self, call: Any, around: Scope) -> dict[str, Any]:
        """Return the settings in which the call is to run, given its `Observation` and the scope it began in."""
        return {
            KEY: Scope(
                self._request,
                closed=True,
                recording=self,
                call=call,
                route=call.route,
                block=around.block,
                outer=around,
            ),
            "callbacks": Callbacks(setting("callbacks") or (), self),
            "caller_modules": [*(setting("caller_modules") or []), self],
        }

    def begins_with(self, instance: Any) -> bool:
        """Tell, once, that a call is the root's own: its span is open already."""
        if self._root_has_begun or instance is not self._module:
            return False
        self._root_has_begun = True
        return True

    @staticmethod
    def history_is_off() -> bool:
        """Tell whether LM calls made here leave no entry, so that their hooks alone tell of them."""
        return bool(setting("disable_history")) or setting("max_history_size") == 0

    @property
    def history(self) -> list[Any]:
        """The list that DSPy appends LM history to; made when asked for, so that references go in no circle."""
        history = _History()
        history.recording = self
        return history

    def __format__(self, spec: str) -> str:
        """Return the text that DSPy puts into its log line when a hook has raised; no hook raises an error of its own.

        DSPy swallows what is raised in a hook, or on the way to it, and then writes that line: the one place where what
        a signal handler raised there can go on to the host.
        """
        passing = sys.exception()
        if passing is not None:
            pass_on(passing)
        return str(super().__format__(spec))

    # DSPy's hooks; see `_hook`.

    @_hook
    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Open a span for a predictor or an instrumented module; any other module is part of the span around it."""
        self._begin(call_id, instance, inputs)

    @_hook
    def on_module_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """Close the span."""
        self._places.pop(call_id, None)
        span = self._open.pop(call_id, None)
        if span is not None:
            self.submit(span, outputs, _raised(outputs, exception))

    @_hook
    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Remember which span an LM call belongs to, and watch for its entry in the history."""
        del instance, inputs
        self._lm_calls[call_id] = _LMInProgress(around=ACTIVE_CALL_ID.get())
        self._places[call_id] = self._here()

    @_hook
    def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """An LM call that succeeded without an entry leaves the usage of its spans unknown."""
        span = self._places.pop(call_id, self.root)
        ended = self._lm_calls.pop(call_id, None)
        if ended is None or _raised(outputs, exception) is not None:
            return
        if not ended.has_entry:
            span.usage_is_unknown()
        elif ended.around in self._lm_calls:  # an LM that calls another LM has done its part
            self._lm_calls[ended.around].has_entry = True

    @_hook
    def _pass_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """A step that has no record of its own."""
        del instance, inputs
        self._places[call_id] = self._here()

    @_hook
    def _pass_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        del outputs, exception
        self._places.pop(call_id, None)

    on_tool_start = on_adapter_format_start = on_adapter_parse_start = _pass_start
    on_tool_end = on_adapter_format_end = on_adapter_parse_end = _pass_end
    on_evaluate_start = on_compile_start = on_interpreter_execute_start = on_interpreter_tool_call_start = _pass_start
    on_evaluate_end = on_compile_end = on_interpreter_execute_end = on_interpreter_tool_call_end = _pass_end

    def lm_call(self, entry: Mapping[str, Any]) -> None:
        """Count an LM call for the span around it and for all spans around that."""
        try:
            here = ACTIVE_CALL_ID.get()
            if here in self._lm_calls:
                self._lm_calls[here].has_entry = True
            self._here().add(LMCall.from_history(entry))
        except Exception as error:
            pass_on(error)
            self.root.usage_is_unknown()
            self._runtime.count_failure(error)

    def _here(self) -> Span:
        place = self._places.get(ACTIVE_CALL_ID.get(), self.root)
        inner = current_scope().observation
        streaming: Span | None = inner.span if inner is not None and inner.is_streaming else None
        # In a step of a stream DSPy's numbers are those of its consumer.
        return place if streaming is None or place.is_within(streaming) else streaming

    def _begin(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        around = self._here()
        self._places[call_id] = around
        if self.begins_with(instance):
            return
        if self.has_ended and current_scope().recording is not self:
            return
        own = mark_of(instance)
        if own is None and not isinstance(instance, dspy.Predict):
            return
        scope = current_scope()
        if scope.suppressed or (scope.request is not None and not scope.request.consent):
            return
        mark = own or around.mark
        identity = own.identities.root if own else mark.identities.of(instance, around.home)
        arguments = shape_of(instance).bind(inputs["args"], inputs["kwargs"])
        if own is None and around.is_the_call_of(instance, arguments):
            return
        span = self._span(
            mark=mark,
            home=instance if own else around.home,
            identity=identity,
            arguments=arguments,
            parent=around,
            key=own.key_in(scope.route) if own else None,
            route=scope.route,
        )
        self._places[call_id] = span
        observation = scope.observation
        if own is not None and observation is not None and observation.span is None and observation.is_of(own):
            observation.span = span  # which ends with it: not before a stream is consumed
        else:
            self._open[call_id] = span

    def _span(self, **what: Any) -> Span:
        span = Span(self._runtime, self._request, rate=self._rate, **what)
        if self._tells_no_usage:
            span.usage_is_unknown()
        return span

    def submit(self, span: Span, output: Any, error: BaseException | None, **measured: float | None) -> None:
        """End a span and submit its record. Never raises.

        Args:
            span: the span.
            output: what the call returned.
            error: what it raised instead, if anything.
            measured: see `Span.end`.
        """
        # A call that a new configuration overtakes is the new pipeline's: the old one is closing.
        runtime = slot.active or self._runtime
        try:
            call = span.end(output, error, **measured)
            runtime.pipeline.submit(call)
            if span.key is not None and not self._add_usage(runtime, span.key, call):
                self._add_usage(slot.active or runtime, span.key, call)  # a new configuration has sealed the counters
        except Exception as failure:
            pass_on(failure)
            runtime.count_failure(failure)

    def _add_usage(self, runtime: Runtime, key: Key, call: CapturedCall) -> bool:
        # The weight is that of a full record: what a rule keeps beyond the sample tells of no usage.
        return runtime.pipeline.counters.add_usage(
            key,
            call.model,
            1 / self._rate,
            tokens_input=call.tokens_input,
            tokens_output=call.tokens_output,
            cost_usd=call.cost_usd,
        )


def _raised(outputs: Any, exception: BaseException | None) -> BaseException | None:
    """Return what ended a call, also where DSPy does not say.

    Before dspy 3.3.1 its end hooks run, without the exception, while a CancelledError or another one that is no
    Exception passes through.
    """
    if outputs is None and exception is None:
        passing = sys.exc_info()[1]
        return None if isinstance(passing, Exception) else passing
    return exception


class _History(list[Any]):
    """The list that DSPy appends LM history entries to; it keeps none of them."""

    __slots__ = ("recording",)
    recording: Recording

    def append(self, entry: Any) -> None:
        self.recording.lm_call(entry)


class _LMInProgress:
    __slots__ = ("around", "has_entry")

    def __init__(self, around: Any) -> None:
        self.around = around
        self.has_entry = False
