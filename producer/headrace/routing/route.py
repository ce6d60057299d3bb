"""What one call of a routed module is told, and under which arm it is counted.

Immutable, and swapped by reference; but for one thing, that a comparison is void once a call was not told its version.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from headrace.capture.program import NOTHING_TOLD
from headrace_schemas import keys
from headrace_schemas.rollouts import BASELINE, CANDIDATE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AS_DEPLOYED", "Comparison", "Route", "Routing", "Told"]


class Comparison:
    """One fitting of two versions to a program, whose calls are compared.

    Attributes:
        is_void: a predictor has another signature by now than the candidate was made for. What is served then is a
            mixture, so no call counts in an arm any more; the next order fits and compares anew.
    """

    __slots__ = ("is_void",)

    def __init__(self) -> None:
        self.is_void = False


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What one predictor is told in place of its own.

    Attributes:
        base: the signature that this was made for; a predictor that has another by now is not told.
        signature: its signature with other words.
        demos: its demos.
    """

    base: Any
    signature: Any
    demos: list[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One program version as calls see it.

    Attributes:
        version: the `module_version` of its calls; None: that of the code as deployed.
        told: by a predictor's place, what it is told; a predictor without an entry keeps its own.
        rollout_id: of the comparison that its calls are counted in; empty: in none.
        arm: in there.
        stage: in there.
        comparison: says until when its calls count there.
    """

    version: str | None = None
    told: Mapping[Any, Told] = field(default_factory=lambda: NOTHING_TOLD)
    rollout_id: str = ""
    arm: str = ""
    stage: int = 0
    comparison: Comparison | None = None

    @property
    def is_compared(self) -> bool:
        """Whether a call that ends now counts in an arm."""
        return bool(self.arm) and (self.comparison is None or not self.comparison.is_void)

    @property
    def changes_nothing(self) -> bool:
        """Whether a call runs and is counted as if there were no route."""
        return not self.told and self.version is None and not self.arm

    def inside(self, outer: Route | None) -> Route:
        """Return the route of a module of its own rollout that is called inside a routed call of another."""
        if outer is None or not outer.told:
            return self
        told = MappingProxyType({**outer.told, **self.told})
        return replace(self, told=told)


AS_DEPLOYED: Final = Route()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Routing:
    """Which route each request of a module gets.

    Attributes:
        rollout_id: enters the arm hash.
        share: of the requests, 0 to 1, that get the candidate.
        candidate: its route.
        baseline: the others'.
        standing: the route of calls outside any comparison: suppressed ones, and those of a module that is off.
        comparison: until it is void each request has its route; from then on all have the standing one.
    """

    rollout_id: str
    share: float
    candidate: Route
    baseline: Route
    standing: Route
    comparison: Comparison | None = None

    def route(self, request_id: str) -> Route:
        """Return a request's route."""
        if self.comparison is not None and self.comparison.is_void:
            return self.standing
        if 0 < self.share < 1:
            is_candidate = keys.is_below_rate(keys.arm_hash(self.rollout_id, request_id), self.share)
        else:
            is_candidate = self.share >= 1
        return self.candidate if is_candidate else self.baseline

    @property
    def changes_nothing(self) -> bool:
        """Whether no call has a route that changes anything."""
        routes = (
            self.candidate if self.share > 0 else self.standing,
            self.baseline if self.share < 1 else self.standing,
        )
        return self.standing.changes_nothing and all(route.changes_nothing for route in routes)

    @classmethod
    def standing_at(cls, route: Route) -> Routing:
        """Return the routing that gives all requests one route."""
        return cls(rollout_id="", share=0.0, candidate=route, baseline=route, standing=route)

    @classmethod
    def comparing(
        cls,
        rollout_id: str,
        share: float,
        stage: int,
        *,
        candidate: Route,
        baseline: Route,
    ) -> Routing:
        """Return the routing of a rollout whose arms are compared; the routes given are those outside of it."""
        comparison = Comparison()

        def within(route: Route, arm: str) -> Route:
            return replace(route, rollout_id=rollout_id, arm=arm, stage=stage, comparison=comparison)

        return cls(
            rollout_id=rollout_id,
            share=share,
            candidate=within(candidate, CANDIDATE),
            baseline=within(baseline, BASELINE),
            standing=baseline,
            comparison=comparison,
        )
