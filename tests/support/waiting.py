"""Waiting for something to become true, with a deadline: the only way in which tests wait."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["wait_until"]

_PAUSE_S = 0.02

Value = TypeVar("Value")


def wait_until(condition: Callable[[], Value], what: str, timeout_s: float = 120) -> Value:
    """Return the first true value of `condition`, asked again and again.

    Args:
        condition: what is waited for.
        what: the same in words, for the error.
        timeout_s: how long, in seconds.

    Raises:
        TimeoutError: it did not become true.
    """
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        pause.wait(_PAUSE_S)
    return value
