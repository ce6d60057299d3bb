"""The predictors of routed modules: each has a place, under which a route says what it is told in this call.

A predictor's class is swapped for one whose prompt is what the route of the call says; the object stays the same, so
that stream listeners, `named_predictors()` and saving find what they found before. Told per call: no call sees half of
one version and half of another, however long it takes. A copy that is made inside a routed call (as BestOfN and Refine
do) is made of what that call tells; any other copy is of the code as deployed.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from dspy.dsp.utils.settings import thread_local_overrides

from headrace.capture.program import PLACE
from headrace.capture.scope import KEY, Scope, applying
from headrace.interruption import pass_on
from headrace.runtime import slot

if TYPE_CHECKING:
    from headrace.routing.route import Told

__all__ = ["Place", "as_told", "give_prompt", "members_of", "place_of", "told_here"]

_READS_THE_PROMPT: Final = "_forward_preprocess"
"""The method of dspy.Predict, in all supported releases, that takes `signature=` and `demos=` of a call."""


class Place:
    """Stands for one predictor in routes; known by its identity."""

    __slots__ = ("has_changed",)

    def __init__(self) -> None:
        self.has_changed = False


def place_of(predictor: Any) -> Place | None:
    """Return a predictor's place; None where it is not routed."""
    place: Place | None = getattr(type(predictor), PLACE, None)
    return place


def members_of(base: Any) -> dict[str, Any]:
    """Return what a predictor's class has more than `base`, so that a call is told what its route says.

    A class that takes no prompt by call has nothing more, and cannot be routed.
    """
    reads = getattr(base, _READS_THE_PROMPT, None)
    if reads is None:
        return {}

    @functools.wraps(reads)
    def told(self: Any, /, **kwargs: Any) -> Any:
        what = told_here(self)
        if what is not None:
            kwargs.setdefault("signature", what.signature)
            kwargs.setdefault("demos", what.demos)
        return reads(self, **kwargs)

    return {_READS_THE_PROMPT: told, PLACE: Place()}


def told_here(predictor: Any) -> Told | None:
    """Return what the call at hand tells a predictor in place of its own prompt; None: nothing. Never raises."""
    scope = thread_local_overrides.get().get(KEY)
    if scope is None:
        return None
    try:
        route = applying(scope).route
        if route is None or not route.told:
            return None
        place = place_of(predictor)
        what: Told | None = None if place is None else route.told.get(place)
        if what is None or what.base is predictor.signature:
            return what
        # Its signature was replaced in the running service: the call is a mixture, and counts in no arm.
        _void_comparisons(scope, place)
        if place is not None and not place.has_changed:
            place.has_changed = True
            if slot.runtime is not None:
                slot.runtime.pipeline.count_program_failure("signature_changed")
    except Exception as error:
        pass_on(error)
    return None


def _void_comparisons(scope: Scope | None, place: Place | None) -> None:
    """End those that the calls around are counted in, of versions that tell this place."""
    while scope is not None:
        route = scope.route
        if route is not None and route.comparison is not None and place in route.told:
            route.comparison.is_void = True
        scope = scope.outer


def as_told(state: Any, what: Told | None) -> Any:
    """Return the state of a copy, with the prompt that the call at hand tells the original."""
    if what is None or not isinstance(state, dict):
        return state
    return {**state, "signature": what.signature, "demos": [dict(demo) for demo in what.demos]}


def give_prompt(copied: Any, what: Told | None) -> None:
    """Give a copy the prompt that the call at hand tells the original."""
    if what is not None:
        copied.signature, copied.demos = what.signature, [dict(demo) for demo in what.demos]
