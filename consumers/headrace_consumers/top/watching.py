"""A thread for each consumer looks at it again and again, so that one that hangs holds up no other, and no key."""

import threading
from collections.abc import Callable
from typing import Final, TypeAlias

from headrace_consumers.top.fetch import UnreachableError
from headrace_consumers.top.history import History
from headrace_consumers.top.page import Reading
from headrace_consumers.top.targets import Target
from headrace_consumers.top.watched import Source, Watched

__all__ = ["Fetch", "Watcher", "look_at_all"]

Fetch: TypeAlias = Callable[[Target], Reading]
"""Returns a page, or raises `UnreachableError`."""
_REST: Final = 3


class Watcher:
    """Looks at one consumer.

    Args:
        target: its page.
        fetch: reads it.
        clock: seconds, monotonic.
        history: of what is read.

    Attributes:
        address: as it is shown.
        looks: how often it has looked.
        problem: why the newest look was in vain; empty: it was not.
    """

    def __init__(self, target: Target, fetch: Fetch, clock: Callable[[], float], history: History) -> None:
        self.address = target.address
        self.looks = 0
        self.problem = ""
        self._target = target
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._watched = Watched(target.address, target.consumer, history, clock())

    def look(self) -> None:
        """Look once."""
        try:
            reading, problem = self._fetch(self._target), ""
        except UnreachableError as error:
            reading, problem = None, str(error)
        with self._lock:
            self.problem = problem
            if reading is None:
                self._watched.note_problem(problem, self._clock())
            else:
                self._watched.note_page(reading, self._clock())
            self.looks += 1

    def source(self) -> Source:
        """Return what to show."""
        with self._lock:
            return self._watched.source(self._clock())

    def start(self, interval_s: float) -> None:
        """Look again each `interval_s` seconds, or less often, as long as the process lives.

        A page of many modules takes a while to write and to read: three times as long is left to others.
        """

        def go_on() -> None:
            took_s = 0.0
            while not never.wait(max(interval_s, _REST * took_s)):
                began = self._clock()
                self.look()
                took_s = self._clock() - began

        never = threading.Event()
        threading.Thread(target=go_on, name=f"headrace-top-{self.address}", daemon=True).start()


def look_at_all(watchers: list[Watcher]) -> None:
    """Look at all of them once, at the same time."""
    threads = [threading.Thread(target=each.look, daemon=True) for each in watchers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
