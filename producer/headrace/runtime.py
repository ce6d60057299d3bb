"""The one configured state of a process: what to capture, and where captured calls go.

`slot.active` is all that an instrumented call reads while capture is off.
"""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Protocol

from headrace.capture.sampling import new_request_id
from headrace.captured import Captured
from headrace.config import ENV_FILE, Config, load
from headrace.errors import ConfigError
from headrace.interruption import pass_on
from headrace.keep import KeepRules
from headrace.kill_switch import ENV_DISABLED, NoDelivery, is_thrown
from headrace.policy import Change, Policy

if TYPE_CHECKING:
    from headrace.control import Follower
    from headrace.counters import Counters
    from headrace.ledger import Stats
    from headrace.routing.router import Router
    from headrace_schemas.rollouts import Rollout

__all__ = ["Delivery", "Runtime", "apply_orders", "change", "configure", "current", "say_if_off", "slot", "swap"]

logger = logging.getLogger("headrace")


class Delivery(Protocol):
    """What capture needs of a `headrace.delivery.Pipeline`."""

    @property
    def counters(self) -> "Counters":
        """Count every call here; a forked child has new ones."""

    def submit(self, captured: Captured) -> bool:
        """Take a captured call or feedback, or count it as dropped; never block, never raise."""

    def count_failure(self, reason: str) -> None:
        """Count a sampled call that could not be captured."""

    def count_program_failure(self, reason: str) -> None:
        """Count a program version that the router did not use."""

    def flush(self, timeout_s: float) -> bool:
        """Wait for what was submitted; tell whether all of it was delivered or dropped."""

    def close(self, timeout_s: float, successor: Callable[[Captured], bool] | None = None) -> bool:
        """Flush and stop; what is left goes to the successor, if there is one."""

    def stats(self) -> "Stats":
        """Return the ledger."""


class Runtime:
    """A configuration at work.

    Args:
        config: the configuration.
        pipeline: where captured calls go.
        time_ns: Unix time in nanoseconds.
        perf_counter: a monotonic clock in seconds.
        new_id: returns a fresh record id.
        follower: changes the policy as the control topic orders.

    Attributes:
        policy: at which rates calls are captured; replaced by `change`.
        keep: which outcomes are kept beyond the sample.
        is_killed: nothing ever is on: HEADRACE_DISABLED.
        rollouts: what the control topic says of them; None before it was read.
        router: routes modules by them, where any is to be routed.
    """

    __slots__ = (
        "_has_failed",
        "config",
        "follower",
        "is_killed",
        "keep",
        "new_id",
        "perf_counter",
        "pipeline",
        "policy",
        "rollouts",
        "router",
        "time_ns",
    )

    def __init__(
        self,
        config: Config,
        pipeline: Delivery,
        *,
        follower: "Follower | None" = None,
        time_ns: Callable[[], int] = time.time_ns,
        perf_counter: Callable[[], float] = time.perf_counter,
        new_id: Callable[[], str] = new_request_id,
        is_killed: bool = False,
    ) -> None:
        self.config = config
        self.pipeline = pipeline
        self.follower = follower
        self.time_ns = time_ns
        self.perf_counter = perf_counter
        self.new_id = new_id
        self.policy = Policy(config.telemetry)
        self.keep = KeepRules(config.telemetry.keep)
        self.rollouts: Mapping[str, Rollout] | None = None
        self.router: Router | None = None
        self.is_killed = is_killed
        self._has_failed = False

    @property
    def is_routing(self) -> bool:
        """Whether calls have routes, also those that an order takes out of capture."""
        return self.router is not None and self.router.is_on and self.config.telemetry.enabled

    def count_failure(self, error: Exception) -> None:
        """Count a sampled call that capture itself failed on. Never raises.

        The log tells of the first: the error's type and place, never its message, which may quote the payload.
        """
        try:
            self.pipeline.count_failure("capture_failed")
        except Exception as failure:
            pass_on(failure)
        self.tell_of(error)

    def tell_of(self, error: Exception) -> None:
        """Log the first failure of capture. Never raises."""
        try:
            if not self._has_failed:
                self._has_failed = True
                logger.warning(
                    "headrace could not capture a call (%s); the calls go on, further failures are only counted "
                    "in headrace.stats().dropped",
                    _where(error),
                )
        except Exception as failure:  # of the host's own logging
            pass_on(failure)


class Slot:
    """The runtime in place.

    Attributes:
        runtime: what was configured; None before anything was.
        active: the same while it is on, else None.
        told: the runtime of which the log has said that it captures nothing.
    """

    __slots__ = ("active", "lock", "runtime", "told")

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        self.active: Runtime | None = None
        self.told: Runtime | None = None
        self.lock = threading.RLock()

    def activate(self) -> None:
        """Let calls see the runtime if it is on; with the lock held."""
        runtime = self.runtime
        is_on = runtime is not None and (runtime.policy.is_on or runtime.is_routing)
        self.active = runtime if is_on else None

    def renew_locks(self) -> None:
        """Forget locks that some thread of the parent process held at the fork."""
        self.lock = threading.RLock()
        if self.runtime is not None:
            self.runtime.keep.renew()
            if self.runtime.router is not None:
                self.runtime.router.renew()


slot = Slot()
os.register_at_fork(after_in_child=slot.renew_locks)


def configure(
    path: str | os.PathLike[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    redactors: Sequence[Callable[[str], str]] = (),
) -> Config:
    """Replace the process's configuration; see `headrace.configure`."""
    return _put(None if is_thrown() else load(path, overrides), redactors).config


def current() -> Runtime:
    """Return the runtime in place; where nothing was configured, HEADRACE_CONFIG decides, else the defaults: off.

    A configuration that cannot be used is logged here rather than raised: it was not the caller who gave it.
    """
    runtime = slot.runtime
    if runtime is not None:
        return runtime
    with slot.lock:
        if slot.runtime is None:
            try:
                return _put(None if is_thrown() else load())
            except ConfigError as error:
                logger.error("headrace captures nothing: %s", error)  # noqa: TRY400  # one line, no traceback
            return _put(Config())
        return slot.runtime


def swap(runtime: Runtime | None) -> Runtime | None:
    """Put a runtime in place and return the one before, which goes on delivering until it is closed."""
    with slot.lock:
        previous = slot.runtime
        slot.runtime = runtime
        slot.activate()
    return previous


def change(runtime: Runtime, how: Callable[[Policy], Policy]) -> Policy:
    """Replace a runtime's policy, for calls that begin from now on, and return it. `how` is a pure function."""
    with slot.lock:
        if not runtime.is_killed:
            runtime.policy = how(runtime.policy)
            slot.activate()
        return runtime.policy


def apply_orders(runtime: Runtime, orders: Mapping[str, Change]) -> None:
    """Let the sampling orders of the control topic hold, by module, "*" for all; those left out hold no more."""
    change(runtime, lambda policy: policy.after_orders(orders))


def say_if_off(runtime: Runtime) -> None:
    """Log one line for each runtime if nothing will be captured, and how to switch it on."""
    if runtime.is_killed or (runtime.policy.is_on and (runtime.policy.captures or runtime.keep.is_on)):
        return
    with slot.lock:
        if slot.told is runtime:
            return
        slot.told = runtime
    what = "telemetry.sampling_rate_pct is 0" if runtime.policy.is_on else "telemetry.enabled is false"
    logger.warning(
        "headrace captures nothing: %s. Switch it on in the file that %s names, or by "
        'headrace.configure(telemetry={"enabled": True})',
        what,
        ENV_FILE,
    )


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + place


def _follower(config: Config) -> "Follower | None":
    """Return the follower of the control topic; its thread starts with the first call that is counted."""
    if config.kafka.bootstrap_servers is None or not config.telemetry.follow_control:
        return None
    from headrace.control import Follower

    def apply(overrides: Mapping[str, Change]) -> None:
        runtime = slot.runtime
        if runtime is not None and runtime.follower is follower:  # else another configuration is in place by now
            apply_orders(runtime, overrides)

    def apply_rollouts(rollouts: Mapping[str, "Rollout"]) -> None:
        with slot.lock:
            runtime = slot.runtime
            if runtime is None or runtime.follower is not follower:
                return
            runtime.rollouts, router = rollouts, runtime.router
        if router is not None:
            router.follow(rollouts)

    def idle() -> None:
        runtime = slot.runtime
        if runtime is not None and runtime.follower is follower and runtime.router is not None:
            runtime.router.idle()

    follower = Follower(config, apply, apply_rollouts=apply_rollouts, idle=idle)
    return follower


def _put(config: Config | None, redactors: Sequence[Callable[[str], str]] = ()) -> Runtime:
    """Put a configuration to work; None: HEADRACE_DISABLED is set."""
    from headrace.delivery import Pipeline

    if config is None:
        runtime = Runtime(Config(), NoDelivery(), is_killed=True)
        logger.info("headrace is disabled: %s is set; nothing is captured or counted", ENV_DISABLED)
    else:
        follower = _follower(config)
        on_new_series = (lambda: None) if follower is None else follower.start
        pipeline = Pipeline(config, redactors=redactors, on_new_series=on_new_series)
        runtime = Runtime(config, pipeline, follower=follower)
    previous = swap(runtime)
    if previous is not None and previous.router is not None:
        previous.router.close()
    if "headrace.routing.starting" in sys.modules:  # some module is routed
        from headrace.routing.starting import route_all

        route_all(runtime)
    if previous is not None:
        if previous.follower is not None:
            previous.follower.close()
        # Outside the lock: calls go on, to the new pipeline, while the old one empties its queue.
        successor = runtime.pipeline.submit if runtime.policy.is_on else None
        previous.pipeline.close(previous.config.telemetry.exit_timeout_s, successor)
    return runtime
