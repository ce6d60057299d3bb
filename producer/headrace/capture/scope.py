"""What applies to the calls made from here on: the request they belong to, and whether they are captured at all.

It travels in `dspy.settings` under one key. Settings reach the threads of dspy.Parallel, asyncify and tasks; context
variables of our own would not.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextlib import suppress as suppressing
from contextvars import Token
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from dspy.dsp.utils.settings import thread_local_overrides
from dspy.dsp.utils.utils import dotdict

from headrace.capture.budget import Budget
from headrace.capture.sampling import new_request_id, to_unicode
from headrace.capture.values import to_json
from headrace.errors import UsageError
from headrace.propagation import Trace, trace_of

__all__ = [
    "KEY",
    "NOTHING",
    "Request",
    "Scope",
    "current_scope",
    "enter",
    "leave",
    "put_back",
    "request",
    "stay_in_request",
    "suppress",
]

KEY: Final = "headrace"


@dataclass(frozen=True, slots=True)
class Request:
    """The request that calls belong to.

    Attributes:
        request_id: decides sampling and arm, and joins later feedback.
        subject_id: whose data it is, for erasure.
        attributes: the service's own labels, JSON values.
        trace: where the caller stands in a trace, for records made while no OpenTelemetry span is active.
        consent: whether its calls may be captured.
        is_cut: whether the attributes were too much to be copied.
    """

    request_id: str
    subject_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    trace: Trace | None = None
    consent: bool = True
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """The value under KEY in `dspy.settings`.

    Attributes:
        request: the open request, if there is one.
        closed: no call in here begins a recording of its own: capture is suppressed, or an enclosing call is being
            recorded, and the calls inside it with it.
        suppressed: nor does such a recording take it in.
        recording: the `Recording` of the enclosing call, where it is recorded.
        observation: the `Observation` of the innermost instrumented call that is taken in by that.
    """

    request: Request | None = None
    closed: bool = False
    suppressed: bool = False
    recording: Any = None
    observation: Any = None


NOTHING: Final = Scope()
"""Where nothing was opened."""


def current_scope() -> Scope:
    """Return the scope of the calling thread or task, from where `dspy.settings` looks first; elsewhere none is set."""
    scope: Scope = thread_local_overrides.get().get(KEY, NOTHING)
    return scope


def request(
    request_id: object = None,
    *,
    subject_id: object = None,
    attributes: Mapping[str, Any] | None = None,
    traceparent: str | None = None,
    consent: bool = True,
) -> AbstractContextManager[Request]:
    """See `headrace.request`."""
    if attributes is not None and not isinstance(attributes, Mapping):
        raise UsageError(f"request: attributes must be a mapping, found {type(attributes).__name__}")
    # Made when it is entered: as a decorator it opens another one for each call.
    return _entered(lambda: _opened(request_id, subject_id, attributes, trace_of(traceparent), consent=bool(consent)))


def stay_in_request(request_id: object = None, *, traceparent: str | None = None) -> Request:
    """Open a request for the rest of a `contextvars.Context` that was made for it."""
    inner = _inside(current_scope(), _opened(request_id, None, None, trace_of(traceparent)))
    enter({KEY: inner})
    return cast("Request", inner.request)


def enter(settings: Mapping[str, Any]) -> Token[Any]:
    """Put settings in place until `leave`. `dspy.context` would hide from the calls inside what is configured later."""
    token: Token[Any] = thread_local_overrides.set(dotdict({**thread_local_overrides.get(), **settings}))
    return token


def leave(token: Token[Any]) -> None:
    """Take settings away again; where a framework leaves in another context than it entered, there is none to take."""
    with suppressing(ValueError):
        thread_local_overrides.reset(token)


def put_back(before: Any, is_still_in: Callable[[Scope], bool]) -> None:
    """Take away what an interruption left in place: a signal handler may raise just before or in `leave`.

    Args:
        before: the thread's settings before `enter`.
        is_still_in: tells whether a scope is what was entered, or lies in it.
    """
    if is_still_in(current_scope()):
        thread_local_overrides.set(before)


@contextmanager
def _within(scope: Scope) -> Iterator[None]:
    before = thread_local_overrides.get()
    try:
        token = enter({KEY: scope})
        try:
            yield
        finally:
            leave(token)
    except BaseException:
        put_back(before, lambda current: current is scope)
        raise


@contextmanager
def _entered(opened: Callable[[], Request]) -> Iterator[Request]:
    inner = _inside(current_scope(), opened())
    with _within(inner):
        yield cast("Request", inner.request)


def _opened(
    request_id: object,
    subject_id: object,
    attributes: Mapping[str, Any] | None,
    trace: Trace | None,
    *,
    consent: bool = True,
) -> Request:
    budget = Budget()
    labels = to_json(dict(attributes or {}), budget)
    return Request(
        ("" if request_id is None else to_unicode(request_id)) or new_request_id(),
        None if subject_id is None else to_unicode(subject_id),
        labels,
        trace,
        consent,
        budget.is_cut,
    )


def _inside(outer: Scope, opened: Request) -> Scope:
    around = outer.request
    if around is not None:
        # A nested request is about the same person until it says otherwise: erasure must find its records, too.
        opened = replace(
            opened,
            subject_id=opened.subject_id if opened.subject_id is not None else around.subject_id,
            attributes={**around.attributes, **opened.attributes},
            trace=opened.trace or around.trace,
            is_cut=opened.is_cut or around.is_cut,
            consent=opened.consent and around.consent,  # once refused it is refused for all inside
        )
    return replace(outer, request=opened)


@contextmanager
def suppress() -> Iterator[None]:
    """See `headrace.suppress`."""
    with _within(replace(current_scope(), closed=True, suppressed=True)):
        yield
