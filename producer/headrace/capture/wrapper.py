"""The class swapped in for an instrumented module's own, as in `classes`: the same module, with its calls watched.

A routed module's calls are told by the route of their request what its predictors say; see `places`.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

import dspy

from headrace.capture import registry
from headrace.capture.classes import base_of, swapped
from headrace.capture.evaluation import suppress_inside_evaluate
from headrace.capture.marks import MARK, Mark
from headrace.capture.observation import observe
from headrace.capture.places import members_of, place_of
from headrace.capture.program import predictors_of
from headrace.capture.scope import enter, leave
from headrace.errors import UsageError
from headrace.runtime import slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.capture.identity import SignatureIdentity

__all__ = ["instrument", "route"]

M = TypeVar("M")


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
    base: type = base_of(type(module))
    named = name if name is not None else base.__name__
    mark = Mark(module, named, version, identity=identity, is_part=is_part, success=success)
    try:
        module.__class__ = _watched(base, mark, weakref.ref(module))
    except TypeError:  # the layouts differ: __slots__ or a base written in C
        raise UsageError(f"instrument: {base.__name__} does not let its class be replaced (__slots__?)") from None
    suppress_inside_evaluate()
    registry.add(mark.name, mark.version, module)
    return module


def route(module: Any) -> None:
    """Give every predictor of an instrumented module a place, so that calls can tell it what their route says."""
    for located in predictors_of(module):
        predictor = located.predictor
        if place_of(predictor) is None:
            base = type(predictor)
            members = members_of(base)
            if members:
                try:
                    predictor.__class__ = swapped(base, weakref.ref(predictor), members)
                except (
                    TypeError
                ):  # __slots__: it keeps its own prompt, and a version that tells it something is refused
                    continue


def _watched(base: Any, mark: Mark, only: weakref.ref[Any]) -> type:
    """Return a subclass of `base` for one module, whose calls are captured under `mark`."""

    @functools.wraps(base.__call__)
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        active = slot.active
        if active is None or (observation := observe(active, mark, self, args, kwargs)) is None:
            return base.__call__(self, *args, **kwargs)
        try:
            if observation.is_plain:
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
            if observation.is_plain:
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

    told = members_of(base) if issubclass(base, dspy.Predict) else {}
    return swapped(base, only, {"__call__": call, "acall": acall, MARK: mark, **told})
