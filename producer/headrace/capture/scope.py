"""What applies to the calls made from here on: the request they belong to, and whether they are captured at all.

It travels in `dspy.settings` under one key. Settings reach the threads of dspy.Parallel, asyncify and tasks; context
variables of our own would not.

An interruption (see `interruption`) may leave a `dspy.context` half entered or half left. When that is collected as
garbage, it puts the thread's settings back to what they were once: those of a call or request that ended long ago, or
from before the one that is open. So a scope tells what it belongs to, and `applying` goes by what still lasts.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextlib import suppress as suppressing
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from dspy.dsp.utils.settings import main_thread_config, thread_local_overrides
from dspy.dsp.utils.utils import dotdict

from headrace.capture.budget import Budget
from headrace.capture.sampling import new_request_id, to_unicode
from headrace.capture.values import to_json
from headrace.errors import UsageError
from headrace.propagation import Trace, trace_of

__all__ = [
    "KEY",
    "NOTHING",
    "Life",
    "Request",
    "Scope",
    "applying",
    "current_scope",
    "enter",
    "leave",
    "put_back",
    "request",
    "setting",
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


class Life:
    """Whether something is over: a block, or a call (an `Observation` says so itself)."""

    __slots__ = ("has_ended",)

    def __init__(self) -> None:
        self.has_ended = False


_ALWAYS: Final = Life()


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
        call: tells whether the instrumented call that this is the inside of has ended.
        route: what the routed call around, the innermost one, tells its predictors; None where there is none.
        block: the innermost `request` or `suppress` around; another than `outer`'s where this is the inside of it.
        outer: the scope in which that call or block began.
    """

    request: Request | None = None
    closed: bool = False
    suppressed: bool = False
    recording: Any = None
    observation: Any = None
    call: Any = _ALWAYS
    route: Any = None
    block: Life = _ALWAYS
    outer: "Scope | None" = None


NOTHING: Final = Scope()
"""Where nothing was opened."""

_block: Final[ContextVar[Scope | None]] = ContextVar("headrace_block", default=None)
"""The inside of the innermost block of this context, which no `dspy.context` puts back; None where none ever was."""


def current_scope() -> Scope:
    """Return the scope of the calling thread or task, from where `dspy.settings` looks first; elsewhere none is set."""
    return applying(thread_local_overrides.get().get(KEY, NOTHING))


def setting(name: str) -> Any:
    """Return what `dspy.settings.get(name)` does, with a third of its calls: each sampled call asks six times."""
    overrides = thread_local_overrides.get()
    return overrides[name] if name in overrides else main_thread_config.get(name)


def applying(scope: Scope) -> Scope:
    """Return what applies where this is the scope in the thread's settings; of what has ended, what is around that.

    In a task that outlives its request, and was begun in there, the request still holds, and with it a refusal.
    """
    block = _block.get()
    if not scope.call.has_ended and (block is None or block.block is scope.block):
        return scope
    lasting = _lasting(scope, block)
    # Settings of around the block that is open here have come back too early: the block holds.
    if block is not None and not block.block.has_ended and _is_around(lasting, block):
        return _lasting(block, block)
    return lasting


def _lasting(scope: Scope, block: Scope | None) -> Scope:
    """Return a scope without the calls and blocks that have ended."""
    outer = scope.outer
    if outer is None:
        return scope
    if scope.block is outer.block:  # the inside of a call: a stream's may outlast the request
        return _lasting(outer, block) if scope.call.has_ended else scope
    around = _lasting(outer, block)
    if scope.block.has_ended and block is not None and block.block is not scope.block:
        return around
    if around is outer:
        return scope
    is_suppressed = scope.suppressed
    return replace(
        around,
        request=scope.request,
        closed=around.closed or is_suppressed,
        suppressed=is_suppressed,
        block=scope.block,
        outer=around,
    )


def _is_around(scope: Scope, inner: Scope) -> bool:
    each: Scope | None = inner
    while each is not None and each is not scope:
        each = each.outer
    return each is scope


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
    _block.set(inner)
    enter({KEY: inner})
    return cast("Request", inner.request)


def enter(settings: Mapping[str, Any]) -> Token[Any]:
    """Put settings in place until `leave`. `dspy.context` would hide from the calls inside what is configured later."""
    token: Token[Any] = thread_local_overrides.set(dotdict({**thread_local_overrides.get(), **settings}))
    return token


def leave(token: Token[Any]) -> None:
    """Take settings away again; where a framework leaves in another context than it entered, there is none to take."""
    try:  # noqa: SIM105  # three calls fewer
        thread_local_overrides.reset(token)
    except ValueError:
        pass


def put_back(before: Any, is_still_in: Callable[[Scope], bool]) -> None:
    """Take away what an interruption left in place: a signal handler may raise just before or in `leave`.

    Args:
        before: the thread's settings before `enter`.
        is_still_in: tells whether a scope is what was entered, or lies in it.
    """
    if is_still_in(thread_local_overrides.get().get(KEY, NOTHING)):
        thread_local_overrides.set(before)


@contextmanager
def _within(scope: Scope) -> Iterator[None]:
    before, around = thread_local_overrides.get(), _block.get() or NOTHING
    try:
        _block.set(around)
        opened = _block.set(scope)
        token = enter({KEY: scope})
        try:
            yield
        finally:
            scope.block.has_ended = True
            with suppressing(ValueError):  # as in `leave`
                _block.reset(opened)
            leave(token)
    except BaseException:
        scope.block.has_ended = True
        if _block.get() is scope:
            _block.set(around)
        if thread_local_overrides.get().get(KEY) is scope:
            thread_local_overrides.set(before)
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
    return replace(outer, request=opened, block=Life(), outer=outer)


@contextmanager
def suppress() -> Iterator[None]:
    """See `headrace.suppress`."""
    outer = current_scope()
    with _within(replace(outer, closed=True, suppressed=True, block=Life(), outer=outer)):
        yield
