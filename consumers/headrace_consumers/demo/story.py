"""What `headrace demo --alerts` and `--loop` print: a line for each thing that happens, and when; and how they wait."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from headrace_consumers.cli.present import print_lines
from headrace_consumers.demo.children import Child
from headrace_consumers.demo.conversation import DemoError

__all__ = ["Story"]

_PATIENCE_S: Final = 90.0
_PAUSE_S: Final = 0.05

Value = TypeVar("Value")


class Story:
    """Tells, and waits for what comes next.

    Args:
        show: print it.
        children: none of them may end before the story does.
        patience_s: how long it waits for what comes next, seconds.
        clock: seconds, monotonic.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        *,
        show: bool,
        children: Sequence[Child],
        patience_s: float = _PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._show = show
        self._children = children
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._began = clock()

    def tell(self, line: str) -> float:
        """Print a line; return the time, seconds, monotonic."""
        now = self._clock()
        self.show([f"{now - self._began:4.0f} s  {line}"])
        return now

    def show(self, lines: Iterable[str]) -> None:
        """Print lines as they are."""
        if self._show:
            print_lines(lines)

    def wait(
        self, condition: Callable[[], Value | None], what: str, progress: Callable[[], object] = lambda: None
    ) -> Value:
        """Return the first true value of a condition.

        Args:
            condition: asked again and again.
            what: is waited for.
            progress: how far that is; as long as it changes, patience begins anew. A busy machine is slow, not stuck.

        Raises:
            DemoError: a child has ended, or it took too long.
        """
        deadline, far = self._clock() + self._patience_s, progress()
        while not (value := condition()):
            for child in self._children:
                if child.exit_code is not None:
                    raise DemoError(f"the {child.name} failed: {child.why()}; its log: {child.log_path}")
            if far != (far := progress()):
                deadline = self._clock() + self._patience_s
            if self._clock() > deadline:
                logs = self._children[0].log_path.parent if self._children else "none"
                raise DemoError(f"waited {self._patience_s:.0f} s for {what}; the logs: {logs}")
            self._sleep(_PAUSE_S)
        return value
