"""What is set and asked for the whole process: its configuration, its sampling rates, its delivery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace import runtime
from headrace.errors import UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from headrace.config import Config
    from headrace.ledger import Stats
    from headrace.policy import Sampling

__all__ = ["configure", "flush", "set_sampling", "shutdown", "stats"]


def configure(
    path: str | os.PathLike[str] | None = None,
    *,
    redactors: Sequence[Callable[[str], str]] = (),
    **overrides: Mapping[str, Any],
) -> Config:
    """Configure capture for this process, in place of any earlier configuration.

    What was captured before is delivered first, for at most the old configuration's `telemetry.exit_timeout_s`; what is
    left then is delivered by the new one, unless that is off. Thread-safe.

    Args:
        path: a JSON file; else the file that HEADRACE_CONFIG names; else the defaults, with which capture is off.
        redactors: your own, in order: each is given every text of a record and returns what leaves in its place. They
            run on background threads, before the rules of `redaction.kinds`. A record on which one raises, or on
            which they take longer than `redaction.redactor_timeout_s`, is dropped and counted.
        overrides: sections of the configuration, e.g. ``telemetry={"enabled": True, "sampling_rate_pct": 25}``.

    Returns:
        The configuration in effect.

    Raises:
        ConfigError: one line that names the key, what was found, what is expected. Nothing has changed then.
        UsageError: a redactor that cannot be called.
    """
    for redactor in redactors:
        if not callable(redactor):
            raise UsageError(f"headrace.configure: redactors: found {type(redactor).__name__}, expected a callable")
    return runtime.configure(path, overrides, redactors)


def set_sampling(
    module: str | None = None, *, rate_pct: float | None = None, enabled: bool | None = None, reset: bool = False
) -> Sampling:
    """Change at which rate calls are captured, from the next call on, until the process ends or is configured anew.

    A setting of a module comes before one of all modules; of a call of this function and an order on the control topic,
    the later holds, and both come before the configuration. What is switched off for all is off for each. Thread-safe,
    and not carried to other processes, except forked children.

    Args:
        module: the name it is instrumented under; None: all modules of which nothing of their own was said.
        rate_pct: percentage of requests, 0 (counted, none captured) to 100; None leaves it.
        enabled: False: neither captured nor counted, as if not instrumented; None leaves it.
        reset: take earlier calls about this module back first.

    Returns:
        What holds now.

    Raises:
        UsageError: an argument that cannot be used. Nothing has changed then.
    """
    if module is not None and not (isinstance(module, str) and module):
        raise UsageError(f"set_sampling: module must be a string that is not empty, found {module!r}")
    is_number = isinstance(rate_pct, int | float) and not isinstance(rate_pct, bool)
    if rate_pct is not None and not (is_number and 0 <= rate_pct <= 100):  # noqa: PLR2004  # percent
        raise UsageError(f"set_sampling: rate_pct must be a number from 0 to 100, found {rate_pct!r}")
    if enabled is not None and not isinstance(enabled, bool):
        raise UsageError(f"set_sampling: enabled must be True, False or None, found {enabled!r}")
    policy = runtime.change(
        runtime.current(),
        lambda policy: policy.after_call(module, rate_pct=rate_pct, enabled=enabled, reset=reset),
    )
    return policy.sampling(module)


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until what was captured so far is delivered, on disk or dropped, and the counters are published.

    For places that may freeze or kill the process without its exit functions: at the end of a Lambda handler, in a
    preStop hook, before `os._exit`. An ordinary exit flushes by itself.

    Args:
        timeout_s: how long, in seconds.

    Returns:
        Whether that was so in time.
    """
    return runtime.current().pipeline.flush(timeout_s)


def shutdown(timeout_s: float = 5.0) -> bool:
    """Deliver what was captured so far, keep on disk what the broker does not take, and capture nothing after.

    For what ends a process without its exit functions: a SIGTERM handler, a preStop hook, before `os._exit`. Else exit
    does this by itself. `configure` begins anew.

    Args:
        timeout_s: for all of it.

    Returns:
        Whether nothing was lost by it; a second call returns True at once.
    """
    return runtime.current().pipeline.close(timeout_s)


def stats() -> Stats:
    """Return this process's ledger: sampled + adopted = delivered + spooled + in_flight + sum(dropped.values())."""
    return runtime.current().pipeline.stats()
