"""What is known of an instrumented module: it hangs on the class swapped in for it, so that copies do not have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headrace.capture.identity import Identities, SignatureIdentity
from headrace.capture.program import ProgramHash
from headrace.capture.sampling import UNDECIDED
from headrace_schemas.names import to_valid_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headrace.counters import Key
    from headrace.routing.route import Route, Routing

__all__ = ["MARK", "Mark", "are_open", "mark_of"]

MARK: Final = "_headrace_mark"


class Mark:
    """The instrumentation of one module.

    Args:
        module: the dspy.Module.
        name: the name of its records.
        version: their version.
        identity: the module's own dataset, where it is known already: a predictor's, as a part of a program.
        is_part: whether it was instrumented as a part of a program, rather than by itself.
        success: tells by a call's output whether it succeeded; None: every call that returns did.

    Attributes:
        key: names its calls in the counters.
        share: of its requests that is captured, as of the policy that it was last asked of.
        is_routed: whether the control topic says what its predictors are told.
        routing: who gets which version of it; replaced as a whole. None: all get the code as deployed.
        open: has an item for each call that has begun and not ended; a list, for appending and popping are atomic.
    """

    def __init__(
        self,
        module: Any,
        name: str,
        version: str,
        *,
        identity: SignatureIdentity | None = None,
        is_part: bool = False,
        success: Callable[[Any], object] | None = None,
    ) -> None:
        self.name: Final = name
        self.version: Final = version
        self.is_part: Final = is_part
        self.success: Final = success
        self.predicate_has_failed = False
        self.identities: Final = Identities(module, name, identity)
        self.key: Final[Key] = (
            to_valid_name(name),
            to_valid_name(version),
            to_valid_name(self.identities.root.name),
        )
        self.program: Final = ProgramHash()
        self.share = UNDECIDED
        self.is_routed = False
        self.routing: Routing | None = None
        self.open: Final[list[None]] = []

    def version_in(self, route: Route | None) -> str:
        """Return the version of a call that has a route."""
        return self.version if route is None or route.version is None else route.version

    def key_in(self, route: Route | None) -> Key:
        """Return the name in the counters of a call that has a route."""
        if route is None or (route.version is None and not route.arm):
            return self.key
        name, own, signature = self.key[:3]
        version = own if route.version is None else route.version
        if not route.is_compared:
            return (name, version, signature)
        return (name, version, signature, route.arm, route.rollout_id, route.stage)


def are_open(callers: Iterable[Any]) -> bool | None:
    """Tell whether a call of an instrumented module is open among those that DSPy takes for the callers.

    None where none of them is instrumented. False: what an interruption left of `dspy.settings` has come back.
    """
    found = None
    for caller in callers:
        mark = mark_of(caller)
        if mark is not None:
            if mark.open:
                return True
            found = False
    return found


def mark_of(instance: Any) -> Mark | None:
    """Return a module's instrumentation, None for a plain module and for a copy."""
    mark: Mark | None = getattr(type(instance), MARK, None)
    return mark
