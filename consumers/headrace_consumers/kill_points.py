"""The one test-only hook by which tests strike a process at a named step of its work."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from headrace.errors import ConfigError

__all__ = ["KILL_VARIABLE", "SLOW_VARIABLE", "STOP_VARIABLE", "Hook", "hook_from_environment", "no_hook"]

KILL_VARIABLE: Final = "HEADRACE_TEST_KILL_AT"
STOP_VARIABLE: Final = "HEADRACE_TEST_STOP_AT"
SLOW_VARIABLE: Final = "HEADRACE_TEST_SLOW_S"

_SIGNALS: Final = ((KILL_VARIABLE, signal.SIGKILL), (STOP_VARIABLE, signal.SIGSTOP))
_LONGEST_S: Final = 60.0

Hook: TypeAlias = Callable[[str], None]
"""Called with ``before:<step>`` and ``after:<step>``."""


def no_hook(point: str) -> None:
    """Do nothing; what production runs with."""
    del point


def hook_from_environment(
    environ: Mapping[str, str] = os.environ,
    sleep: Callable[[float], object] = time.sleep,
    *,
    steps: Iterable[str],
) -> Hook:
    """Return a hook that kills, stops or slows this process at a point, for tests.

    ``HEADRACE_TEST_KILL_AT=after:commit:3`` ends it with SIGKILL the third time that it has committed,
    ``HEADRACE_TEST_STOP_AT=before:commit`` stops it with SIGSTOP until somebody sends SIGCONT,
    ``HEADRACE_TEST_SLOW_S=0.5`` makes each step take half a second longer, as a slow disk does.

    Args:
        environ: the environment.
        sleep: waits for so many seconds.
        steps: those of the work at hand.

    Raises:
        ConfigError: a variable names no point, or no number of seconds.
    """
    names = tuple(steps)
    hooks = [
        _signal_at(variable, environ[variable], number, names) for variable, number in _SIGNALS if environ.get(variable)
    ]
    if slow := environ.get(SLOW_VARIABLE):
        hooks.append(_slow(slow, sleep))
    if not hooks:
        return no_hook

    def hook(point: str) -> None:
        for each in hooks:
            each(point)

    return hook


def _signal_at(variable: str, wanted: str, number: signal.Signals, steps: tuple[str, ...]) -> Hook:
    edge, _, rest = wanted.partition(":")
    step, _, count = rest.partition(":")
    if edge not in {"before", "after"} or step not in steps or not (count or "1").isdigit():
        raise ConfigError(f"{variable}={wanted}: expected (before|after):({'|'.join(steps)})[:COUNT]")
    remaining = int(count or "1")

    def send(point: str) -> None:
        nonlocal remaining
        if point == f"{edge}:{step}":
            remaining -= 1
            if remaining == 0:
                os.kill(os.getpid(), number)

    return send


def _slow(text: str, sleep: Callable[[float], object]) -> Hook:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < _LONGEST_S:  # NaN is refused too
        raise ConfigError(f"{SLOW_VARIABLE}={text}: expected seconds, from 0 to {_LONGEST_S:g}")

    def wait(point: str) -> None:
        if point.startswith("before:"):
            sleep(seconds)

    return wait
