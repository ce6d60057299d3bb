"""A signal that strikes inside a function: Python runs handlers after a call, so there the exception is raised."""

import signal
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["is_struck"]


class LimitError(Exception):
    """What the signal handler raises."""


def _on_alarm(_number: int, _frame: Any) -> None:
    raise LimitError


def is_struck(inside: Any, after: int, run: Callable[[], object]) -> bool:
    """Run, raising behind the `after`-th call that the function `inside` makes; tell whether it made as many."""
    left = after

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal left
        caller = frame if event == "c_return" else frame.f_back
        if event in {"return", "c_return"} and caller is not None and caller.f_code is inside.__code__:
            left -= 1
            if left == 0:
                sys.setprofile(None)
                _on_alarm(signal.SIGALRM, sys._getframe())  # as a handler is called: with the frame that it interrupts

    sys.setprofile(profile)
    try:
        run()
    except LimitError:
        return True
    finally:
        sys.setprofile(None)
    return False
