"""What is known of one consumer: its newest page, what was added of late, and why it cannot be reached. Pure."""

from dataclasses import dataclass

from headrace_consumers.top.history import History, Window
from headrace_consumers.top.page import Reading

__all__ = ["Source", "Watched"]


@dataclass(frozen=True, slots=True)
class Source:
    """A consumer as it is shown.

    Attributes:
        address: where it is.
        consumer: which one it is, or should be; empty: nobody knows.
        reading: its page; None: it cannot be reached now.
        window: what was added of late.
        problem: why it cannot be reached.
        problem_for_s: for how long it could not be.
    """

    address: str
    consumer: str
    reading: Reading | None
    window: Window
    problem: str = ""
    problem_for_s: float = 0.0


class Watched:
    """Takes in what came of each look at a consumer.

    Args:
        address: where it is, as it is shown.
        consumer: which one should be there.
        history: of what was read of it.
        now: seconds, monotonic.
    """

    def __init__(self, address: str, consumer: str, history: History, now: float) -> None:
        self._address = address
        self._consumer = consumer
        self._history = history
        self._problem = ""
        self._problem_since = now

    def note_page(self, reading: Reading, now: float) -> None:
        """Take in its page."""
        self._history.add(reading, now)
        self._consumer = reading.consumer
        self._problem = ""

    def note_problem(self, problem: str, now: float) -> None:
        """Take in that it could not be reached, and why."""
        if not self._problem:
            self._problem_since = now
        self._problem = problem

    def source(self, now: float) -> Source:
        """Return what to show of it; figures that are not of now are not shown."""
        is_away = bool(self._problem)
        return Source(
            self._address,
            self._consumer,
            None if is_away else self._history.reading,
            Window(0.0, {}) if is_away else self._history.window(),
            self._problem,
            now - self._problem_since,
        )
