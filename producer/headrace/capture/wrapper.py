"""The class that is swapped in for an instrumented module's own: the same module, with its calls watched.

One subclass for each instance, so that `isinstance`, the type's name, `named_predictors()`, saving, loading and stream
listeners see what they saw before. Copies and pickles have the plain class again: what an optimizer, BestOfN or another
process makes of the program is not this service's traffic.
"""

from __future__ import annotations

import copyreg
import functools
from typing import TYPE_CHECKING, Any, TypeVar

import dspy

from headrace.capture import registry
from headrace.capture.evaluation import suppress_inside_evaluate
from headrace.capture.marks import MARK, Mark, mark_of
from headrace.capture.recording import Recording
from headrace.capture.sampling import is_sampled, new_request_id
from headrace.capture.scope import Request, place
from headrace.errors import UsageError
from headrace.runtime import slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.runtime import Runtime

__all__ = ["instrument"]

M = TypeVar("M")
_BASE = "_headrace_base"


def instrument(module: M, name: str | None, version: str) -> M:
    """See `headrace.instrument`."""
    if not isinstance(module, dspy.Module):
        given = f"the class {module.__name__}" if isinstance(module, type) else type(module).__name__
        raise UsageError(f"instrument: expected an instance of dspy.Module, found {given}")
    for what, text in (("name", name), ("version", version)):
        if not (isinstance(text, str) and text) and not (what == "name" and text is None):
            raise UsageError(f"instrument: {what} must be a string that is not empty, found {text!r}")
    base: type = getattr(type(module), _BASE, type(module))
    mark = Mark(module, name if name is not None else base.__name__, version)
    try:
        module.__class__ = _watched(base, mark)
    except TypeError:  # the layouts differ: __slots__ or a base written in C
        raise UsageError(f"instrument: {base.__name__} does not let its class be replaced (__slots__?)") from None
    suppress_inside_evaluate()
    registry.add(mark.name, mark.version, module)
    return module


def _watched(base: Any, mark: Mark) -> type:
    """Return a subclass of `base` whose instances' calls are captured under `mark`."""

    @functools.wraps(base.__call__)
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        active = slot.active
        if active is None or (recording := _begin(active, mark, self, args, kwargs)) is None:
            return base.__call__(self, *args, **kwargs)
        try:
            with dspy.context(**recording.settings()):
                output = base.__call__(self, *args, **kwargs)
        except BaseException as error:
            recording.finish(None, error)
            raise
        recording.finish(output, None)
        return output

    @functools.wraps(base.acall)
    async def acall(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        active = slot.active
        if active is None or (recording := _begin(active, mark, self, args, kwargs)) is None:
            return await base.acall(self, *args, **kwargs)
        try:
            with dspy.context(**recording.settings()):
                output = await base.acall(self, *args, **kwargs)
        except BaseException as error:
            recording.finish(None, error)
            raise
        recording.finish(output, None)
        return output

    def reduce_ex(self: Any, protocol: Any) -> Any:
        reduced = base.__reduce_ex__(self, protocol)
        if isinstance(reduced, str):
            return reduced
        make, args, *rest = reduced
        args = tuple(base if arg is watched else arg for arg in args)
        # pickle insists that what these two make has the object's own class, so they are spelt out.
        if make is copyreg.__newobj__:  # type: ignore[attr-defined]  # known to pickle only
            make = base.__new__
        elif make is copyreg.__newobj_ex__:  # type: ignore[attr-defined]
            make, args = functools.partial(base.__new__, base, *args[1], **args[2]), ()
        return (base if make is watched else make, args, *rest)

    def reverted(copying: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(copying)
        def copy(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            copied = copying(self, *args, **kwargs)
            if type(copied) is watched and copied is not self:
                copied.__class__ = base
            return copied

        return copy

    members: dict[str, Any] = {
        "__call__": call,
        "acall": acall,
        "__reduce_ex__": reduce_ex,
        "deepcopy": reverted(base.deepcopy),
        MARK: mark,
        _BASE: base,
    }
    members |= {name: reverted(getattr(base, name)) for name in ("__copy__", "__deepcopy__") if hasattr(base, name)}
    kept = ("__module__", "__qualname__", "__doc__", "__firstlineno__")
    members |= {name: getattr(base, name) for name in kept if hasattr(base, name)}
    watched: type = type(base)(base.__name__, (base,), members)
    return watched


def _begin(
    runtime: Runtime, mark: Mark, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Recording | None:
    """Return the recording of a call if it is a root call and its request is sampled. Never raises."""
    try:
        scope, callers = place()
        if scope.closed:
            return None
        # Inside an instrumented call that was not sampled: its request has decided, whatever request is open now.
        if callers and any(mark_of(caller) is not None for caller in callers):
            return None
        request = scope.request
        request_id = new_request_id() if request is None else request.request_id
        if not is_sampled(request_id, runtime.rate):
            return None
        request = request or Request(request_id)
        return Recording(runtime, mark=mark, module=module, request=request, args=args, kwargs=kwargs)
    except Exception as error:
        runtime.count_failure(error)
        return None
