"""Keeps the routing of each routed module what the control topic orders, in the follower's thread.

Programs are fetched in a thread of their own: a registry that hangs keeps no order waiting.

What is new is made beside what serves, checked as a whole, and put in its place by one assignment.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from headrace.capture.marks import mark_of
from headrace.interruption import pass_on
from headrace.routing import attached
from headrace.routing.fitting import fitted
from headrace.routing.library import Library
from headrace.routing.orders import digests_of, ordered
from headrace.routing.route import AS_DEPLOYED, Route, Routing
from headrace_schemas.programs import Program, ProgramError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headrace.programs.registry import ProgramRegistry
    from headrace.routing.last_known import LastKnown
    from headrace_schemas.rollouts import ProgramVersion, Rollout

__all__ = ["Router"]

logger = logging.getLogger("headrace")

_NO_ROLLOUTS: Final[dict[str, Any]] = {}


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="headrace-programs", daemon=True).start()


class Router:
    """Routes the attached modules; used by the follower's thread, and by those that attach a module.

    Args:
        environment: telemetry.environment; rollouts of others are passed over.
        last_known: what was ordered last, on disk.
        open_registry: see `Library`.
        count_failure: counts a program version that is not used, by reason.
        on_change: called when modules are routed otherwise than before.
        modules: returns the modules to route.
        in_background: starts what takes its time.
        clock: seconds, monotonic.

    Attributes:
        is_on: whether calls of any module have a route.
    """

    def __init__(
        self,
        environment: str,
        last_known: LastKnown,
        open_registry: Callable[[], ProgramRegistry],
        *,
        count_failure: Callable[[str], object],
        on_change: Callable[[], object] = lambda: None,
        modules: Callable[[], list[Any]] = attached.attached,
        in_background: Callable[[Callable[[], None]], object] = _in_background,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_on = False
        self._environment = environment
        self._last_known = last_known
        self._count_failure = count_failure
        self._on_change = on_change
        self._modules = modules
        self._in_background = in_background
        self._is_fetching = self._is_closed = False
        self._library = Library(open_registry, last_known, self._failed, clock)
        self._rollouts: Mapping[str, Rollout] = _NO_ROLLOUTS
        self._unfit: set[tuple[str, str]] = set()
        self._is_kept = True
        self._lock, self._keeping = threading.RLock(), threading.Lock()

    def renew(self) -> None:
        """Begin anew in a forked child, with the routes known so far."""
        self._lock, self._keeping = threading.RLock(), threading.Lock()
        self._is_fetching = False
        self._library.renew()

    def close(self) -> None:
        """Route nothing any more: another configuration is in place."""
        self._is_closed = True

    def begin(self) -> None:
        """Route by what was ordered last, as far as the disk has it. Never raises."""
        kept: list[Rollout] = []
        try:
            kept = self._last_known.rollouts()
        except Exception as error:
            pass_on(error)
            logger.warning(
                "headrace: the last known rollouts cannot be read (%s); the code as deployed serves until the control "
                "topic is read",
                type(error).__name__,
            )
        with self._lock:
            self._rollouts = {each.module: each for each in kept if each.environment == self._environment}
            self._want()
            self._route_all()

    def attach(self, module: Any) -> None:
        """Route a module that was just instrumented. Never raises."""
        try:
            with self._lock:
                self._route_all([module])
        except Exception as error:
            pass_on(error)
            logger.warning("headrace: a module cannot be routed (%s)", type(error).__name__)

    def follow(self, rollouts: Mapping[str, Rollout]) -> None:
        """Take what the control topic says now, of all environments; keep it on disk."""
        mine = {each.module: each for each in rollouts.values() if each.environment == self._environment}
        with self._lock:
            known, self._rollouts = self._rollouts, mine
            # A controller writes each time it has looked; what it saw is no matter of ours.
            if {name: ordered(each) for name, each in known.items()} == {
                name: ordered(each) for name, each in mine.items()
            }:
                return
            self._want()
            self._route_all()
        self._is_kept = False
        error = self._keep()
        if error is not None:
            self._failed(ProgramError("not_kept", f"the rollouts cannot be kept on disk ({error.strerror})"))

    def _keep(self) -> OSError | None:
        """Keep what is ordered on disk; return what was in the way."""
        with self._keeping:
            mine = self._rollouts.values()
            try:
                self._last_known.keep(mine)
            except OSError as error:
                return error
            self._is_kept = True
            self._last_known.forget_programs_but(digests_of(mine))
        return None

    def idle(self) -> None:
        """Keep what could not be kept so far; begin to fetch one program that is due, if no other is under way.

        By that program is routed once it is there.
        """
        if not self._is_kept and self._keep() is None:
            logger.info("headrace: the rollouts are kept on disk again")
        self._library.keep_again()
        with self._lock:
            digest = None if self._is_fetching else self._library.next_due()
            if digest is None:
                return
            self._is_fetching = True
            try:
                self._in_background(functools.partial(self._fetch, digest))
            except RuntimeError as error:  # no thread can be started
                self._is_fetching = False
                self._library.refused(digest, ProgramError("unreachable", f"program {digest[:12]}: {error}"))

    def _fetch(self, digest: str) -> None:
        try:
            program = self._library.read(digest)
            with self._lock:
                if self._library.took(digest, program):
                    self._route_all()
        except ProgramError as error:
            with self._lock:
                self._library.refused(digest, error)
        finally:
            self._is_fetching = False

    def _want(self) -> None:
        self._library.want(digests_of(self._rollouts.values()))
        self._unfit = {each for each in self._unfit if each[0] in digests_of(self._rollouts.values())}

    def _route_all(self, modules: list[Any] | None = None) -> None:
        if self._is_closed:
            return
        for module in self._modules() if modules is None else modules:
            mark = mark_of(module)
            if mark is not None and mark.is_routed:
                mark.routing = self._routing(self._rollouts.get(mark.key[0]), module)
        marks = [mark_of(module) for module in self._modules()]
        self.is_on = any(mark is not None and mark.routing is not None for mark in marks)
        self._on_change()

    def _routing(self, rollout: Rollout | None, module: Any) -> Routing | None:
        if rollout is None:
            return None
        baseline = AS_DEPLOYED if rollout.baseline.digest is None else self._route(rollout, rollout.baseline, module)
        is_wanted = rollout.is_comparing or rollout.state == "promoted"
        candidate = self._route(rollout, rollout.candidate, module) if is_wanted else None
        if rollout.state == "promoted" and candidate is not None:
            routing = Routing.standing_at(candidate)
        elif rollout.is_comparing and candidate is not None and baseline is not None:
            routing = Routing.comparing(
                rollout.rollout_id, rollout.share, rollout.stage, candidate=candidate, baseline=baseline
            )
        else:
            routing = Routing.standing_at(baseline or AS_DEPLOYED)
        return None if routing.changes_nothing else routing

    def _route(self, rollout: Rollout, version: ProgramVersion, module: Any) -> Route | None:
        """Return the route of a version; None where its program cannot be used, or is not there yet."""
        program = None if version.digest is None else self._library.at_hand(version.digest)
        if program is None:
            return None
        try:
            _check_names(program, rollout.module, version.version)
            return Route(version=version.version, told=fitted(program, module))
        except ProgramError as error:
            self._failed_once(version, error)
        except Exception as failure:  # of the program's own types, say
            pass_on(failure)
            self._failed_once(
                version, ProgramError("invalid", f"program {version.version}: {type(failure).__name__} when fitted")
            )
        return None

    def _failed_once(self, version: ProgramVersion, error: ProgramError) -> None:
        cause = (version.digest or "", error.reason)
        if cause not in self._unfit:
            self._unfit.add(cause)
            self._failed(error)

    def _failed(self, error: ProgramError) -> None:
        self._count_failure(error.reason)
        if error.reason == "not_kept":
            logger.warning(
                "headrace: %s; it holds, but a restart without Kafka goes on from what was kept before", error
            )
            return
        logger.warning("headrace: a program version is not used (%s): %s; the baseline serves", error.reason, error)


def _check_names(program: Program, module: str, version: str) -> None:
    if (program.module, program.version) != (module, version):
        raise ProgramError(
            "other_program",
            f"the rollout is of {module} {version}, but its digest is that of {program.module} {program.version}",
        )
