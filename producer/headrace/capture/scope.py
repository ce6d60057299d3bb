"""What applies to the calls made from here on: the request they belong to, and whether they are captured at all.

It travels in `dspy.settings` under one key. Settings reach the threads of dspy.Parallel, asyncify and tasks; context
variables of our own would not.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import dspy
from dspy.dsp.utils.settings import thread_local_overrides

from headrace.capture.sampling import new_request_id, to_unicode
from headrace.capture.values import to_json
from headrace.errors import UsageError

__all__ = ["KEY", "Request", "Scope", "current_scope", "place", "request", "suppress"]

KEY: Final = "headrace"


@dataclass(frozen=True, slots=True)
class Request:
    """The request that calls belong to.

    Attributes:
        request_id: decides sampling and arm, and joins later feedback.
        subject_id: whose data it is, for erasure.
        attributes: the service's own labels, JSON values.
    """

    request_id: str
    subject_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """The value under KEY in `dspy.settings`.

    Attributes:
        request: the open request, if there is one.
        closed: no call in here begins a recording of its own: capture is suppressed, or an enclosing call is being
            recorded, and the calls inside it with it.
        suppressed: nor does such a recording take it in.
    """

    request: Request | None = None
    closed: bool = False
    suppressed: bool = False


_NOTHING: Final = Scope()


def place() -> tuple[Scope, Sequence[Any]]:
    """Return the scope of the calling thread or task, and the dspy modules whose calls it is inside of.

    Every instrumented call asks, so it reads where `dspy.settings` looks first; elsewhere neither is ever set.
    """
    overrides = thread_local_overrides.get()
    return overrides.get(KEY, _NOTHING), overrides.get("caller_modules") or ()


def current_scope() -> Scope:
    """Return the scope of the calling thread or task."""
    return place()[0]


def request(
    request_id: object = None, *, subject_id: object = None, attributes: Mapping[str, Any] | None = None
) -> AbstractContextManager[Request]:
    """See `headrace.request`."""
    if attributes is not None and not isinstance(attributes, Mapping):
        raise UsageError(f"request: attributes must be a mapping, found {type(attributes).__name__}")
    return _entered(request_id, subject_id, attributes)


@contextmanager
def _entered(request_id: object, subject_id: object, attributes: Mapping[str, Any] | None) -> Iterator[Request]:
    outer = current_scope()
    opened = Request(
        ("" if request_id is None else to_unicode(request_id)) or new_request_id(),
        None if subject_id is None else to_unicode(subject_id),
        to_json(dict(attributes or {})),
    )
    if outer.request is not None:
        # A nested request is about the same person until it says otherwise: erasure must find its records, too.
        subject = opened.subject_id if opened.subject_id is not None else outer.request.subject_id
        opened = replace(opened, subject_id=subject, attributes={**outer.request.attributes, **opened.attributes})
    with dspy.context(**{KEY: replace(outer, request=opened)}):
        yield opened


@contextmanager
def suppress() -> Iterator[None]:
    """See `headrace.suppress`."""
    with dspy.context(**{KEY: replace(current_scope(), closed=True, suppressed=True)}):
        yield
