"""Settings that outlive their call: a thread or a stream may go on in those of an instrumented call that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dspy.dsp.utils.settings import thread_local_overrides

from headrace.capture.marks import mark_of
from headrace.capture.recording import Recording
from headrace.capture.scope import KEY, enter

if TYPE_CHECKING:
    from headrace.capture.scope import Scope

__all__ = ["without_ended"]


def without_ended(settings: Any, scope: Scope) -> Any:
    """Put right, and return, the thread's settings where they are those inside an instrumented call that has ended."""
    right: dict[str, Any] = {KEY: scope}
    if settings.get("caller_modules"):
        callers = list(settings["caller_modules"])
        ended = (place for place, each in enumerate(callers) if _is_ended(each))
        right["caller_modules"] = callers[: next(ended, len(callers))]
    if settings.get("callbacks"):
        right["callbacks"] = [each for each in settings["callbacks"] if not _is_ended(each)]
    enter(right)
    return thread_local_overrides.get()


def _is_ended(what: Any) -> bool:
    if isinstance(what, Recording):
        return what.has_ended
    mark = mark_of(what)
    return mark is not None and not mark.open
