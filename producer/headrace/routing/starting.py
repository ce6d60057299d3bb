"""The router of a runtime: made when the first module is to be routed, from then on told what the follower reads."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from headrace.capture import wrapper
from headrace.capture.marks import mark_of
from headrace.delivery.spool.spool import spool_root
from headrace.programs.opening import open_registry, verifier_of
from headrace.routing import attached
from headrace.routing.last_known import LastKnown
from headrace.routing.router import Router
from headrace.runtime import slot

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace.runtime import Runtime

__all__ = ["route", "route_all"]

logger = logging.getLogger("headrace")


def route(module: Any, runtime: Runtime) -> None:
    """Route a module that was just instrumented."""
    mark = mark_of(module)
    if mark is None:
        return
    mark.is_routed = True
    wrapper.route(module)
    attached.add(module)
    router = _router(runtime)
    if router is not None:
        router.attach(module)


def route_all(runtime: Runtime) -> None:
    """Route the modules of this process by a new configuration; by one that follows no topic they are as deployed."""
    if attached.attached() and _router(runtime) is None:
        for module in attached.attached():
            mark = mark_of(module)
            if mark is not None:
                mark.routing = None


def _router(runtime: Runtime) -> Router | None:
    if runtime.follower is None:
        if not runtime.is_killed and runtime.config.telemetry.enabled:
            logger.warning(
                "headrace: no rollouts are followed: router=True needs kafka.bootstrap_servers, and "
                "telemetry.follow_control; the code as deployed serves"
            )
        return None
    with slot.lock:
        if runtime.router is None:
            router = _made(runtime)
            router.begin()
            if runtime.rollouts is not None:  # the follower waits for the lock: what it reads next comes after this
                router.follow(runtime.rollouts)
            runtime.router = router
            slot.activate()
        return runtime.router


def _made(runtime: Runtime) -> Router:
    config = runtime.config

    def activate() -> None:
        with slot.lock:
            slot.activate()

    return Router(
        config.telemetry.environment,
        LastKnown(spool_root(config) / "router", lambda: verifier_of(config)),
        lambda: open_registry(config.model_copy(update={"registry": _read_only(config)})),
        count_failure=runtime.pipeline.count_program_failure,
        on_change=activate,
    )


def _read_only(config: Config) -> Any:
    """A service signs nothing: it need not even be able to read that key."""
    return config.registry.model_copy(update={"signing_key": None})
