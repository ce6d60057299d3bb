"""How the work in a worker ends, whichever of its threads ends it first.

Optimizers catch what is raised inside them, and none can be cancelled. So what ends the work from inside does not
raise: it says so here and lets its thread wait for ever; the main thread takes over, and the process ends with it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

__all__ = ["End", "Ending"]


@dataclass(frozen=True, slots=True)
class End:
    """How it ended.

    Attributes:
        result: of the work; None: it did not come to its end.
        failure: the one line that says why it failed.
        stopped: what of the budget was spent.
        error: what the work raised.
    """

    result: Any = None
    failure: str | None = None
    stopped: str | None = None
    error: BaseException | None = None


def _for_ever() -> NoReturn:
    while True:
        threading.Event().wait()


class Ending:
    """Takes the first end; later ones are too late.

    Args:
        never_return: what a thread does that has ended the work; a parameter for tests.
    """

    def __init__(self, never_return: Callable[[], NoReturn] = _for_ever) -> None:
        self._never_return: Final = never_return
        self._lock: Final = threading.Lock()
        self._is_there: Final = threading.Event()
        self._end: End | None = None

    def failed(self, line: str) -> NoReturn:
        """End the work with one line that says why; the calling thread does not return."""
        self._set(End(failure=line))
        self._never_return()

    def stopped(self, what: str) -> NoReturn:
        """End the work because a budget is spent; likewise."""
        self._set(End(stopped=what))
        self._never_return()

    def finished(self, result: Any) -> None:
        """End the work with its result."""
        self._set(End(result=result))

    def raised(self, error: BaseException) -> None:
        """End the work with what it raised."""
        self._set(End(error=error))

    def wait(self) -> End:
        """Return how it ended, once it has."""
        self._is_there.wait()
        assert self._end is not None  # noqa: S101  # it was set before the event
        return self._end

    def _set(self, end: End) -> None:
        with self._lock:
            if self._end is None:
                self._end = end
                self._is_there.set()
