"""The class that is swapped in for an instrumented module's own: the same module, with its calls watched.

One subclass for each instance, so that `isinstance`, the type's name, `named_predictors()`, saving, loading and stream
listeners see what they saw before. Copies and pickles have the plain class again: what an optimizer, BestOfN or another
process makes of the program is not this service's traffic.
"""

from __future__ import annotations

import copyreg
import functools
import inspect
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

import dspy

from headrace.capture import registry
from headrace.capture.evaluation import suppress_inside_evaluate
from headrace.capture.marks import MARK, Mark
from headrace.capture.observation import observe
from headrace.capture.scope import enter, leave
from headrace.errors import UsageError
from headrace.runtime import slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.capture.identity import SignatureIdentity

__all__ = ["instrument"]

M = TypeVar("M")
_BASE = "_headrace_base"


def instrument(
    module: M,
    name: str | None,
    version: str,
    *,
    identity: SignatureIdentity | None = None,
    is_part: bool = False,
    success: Callable[[Any], object] | None = None,
) -> M:
    """See `headrace.instrument`; the other arguments are those of `Mark`."""
    if not isinstance(module, dspy.Module):
        given = f"the class {module.__name__}" if isinstance(module, type) else type(module).__name__
        raise UsageError(f"instrument: expected an instance of dspy.Module, found {given}")
    for what, text in (("name", name), ("version", version)):
        if not (isinstance(text, str) and text) and not (what == "name" and text is None):
            raise UsageError(f"instrument: {what} must be a string that is not empty, found {text!r}")
    if success is not None and (not callable(success) or inspect.iscoroutinefunction(success)):
        raise UsageError(f"instrument: success must be a plain function of the output, found {success!r}")
    base: type = getattr(type(module), _BASE, type(module))
    named = name if name is not None else base.__name__
    mark = Mark(module, named, version, identity=identity, is_part=is_part, success=success)
    try:
        module.__class__ = _watched(base, mark, weakref.ref(module))
    except TypeError:  # the layouts differ: __slots__ or a base written in C
        raise UsageError(f"instrument: {base.__name__} does not let its class be replaced (__slots__?)") from None
    suppress_inside_evaluate()
    registry.add(mark.name, mark.version, module)
    return module


def _watched(base: Any, mark: Mark, only: weakref.ref[Any]) -> type:
    """Return a subclass of `base` for one module, whose calls are captured under `mark`."""

    @functools.wraps(base.__init__)
    def init(self: Any, /, *args: Any, **kwargs: Any) -> None:
        if type(self) is watched and self is not only():  # another one, made by type(module)(...)
            self.__class__ = base
        base.__init__(self, *args, **kwargs)

    @functools.wraps(base.__call__)
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        active = slot.active
        if active is None or (observation := observe(active, mark, self, args, kwargs)) is None:
            return base.__call__(self, *args, **kwargs)
        try:
            if observation.recording is None:
                output = base.__call__(self, *args, **kwargs)
            else:
                place = enter(observation.settings)
                try:
                    output = base.__call__(self, *args, **kwargs)
                finally:
                    leave(place)
        except BaseException as error:
            observation.raised(error)
            raise
        return observation.returned(output)

    @functools.wraps(base.acall)
    async def acall(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        active = slot.active
        if active is None or (observation := observe(active, mark, self, args, kwargs)) is None:
            return await base.acall(self, *args, **kwargs)
        try:
            if observation.recording is None:
                output = await base.acall(self, *args, **kwargs)
            else:
                place = enter(observation.settings)
                try:
                    output = await base.acall(self, *args, **kwargs)
                finally:
                    leave(place)
        except BaseException as error:
            observation.raised(error)
            raise
        return observation.returned(output)

    members: dict[str, Any] = {
        "__init__": init,
        "__call__": call,
        "acall": acall,
        "__reduce_ex__": functools.partialmethod(_reduced, base),
        "deepcopy": _reverting(base, base.deepcopy),
        MARK: mark,
        _BASE: base,
    }
    own = [name for name in ("__copy__", "__deepcopy__") if hasattr(base, name)]
    members |= {name: _reverting(base, getattr(base, name)) for name in own}
    kept = ("__module__", "__qualname__", "__doc__", "__firstlineno__")
    members |= {name: getattr(base, name) for name in kept if hasattr(base, name)}
    watched: type = type(base)(base.__name__, (base,), members)
    return watched


def _reduced(self: Any, base: Any, protocol: Any) -> Any:
    """Return what `__reduce_ex__` does, with the plain class in place of the swapped-in one."""
    watched = type(self)
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


def _reverting(base: Any, copying: Callable[..., Any]) -> Callable[..., Any]:
    """Return a copying method whose copies have the plain class."""

    @functools.wraps(copying)
    def copy(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        copied = copying(self, *args, **kwargs)
        if type(copied) is type(self) and copied is not self:
            copied.__class__ = base
        return copied

    return copy
