"""How a signal ends a long-running command: the first in order, within a bound; the second at once.

Python runs a handler only between its own instructions, so a call into a library that hangs would hold it up. So a
thread hears of each signal by a pipe, which the interpreter fills in the signal handler itself. And where that thread
cannot run any more (a library keeps Python's lock, stderr takes no more), the kernel's alarm ends the process.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["BOUND_THREAD", "ENDS_WITHIN_S", "stop_on_signals"]

ENDS_WITHIN_S: Final = 9.0
"""A supervisor is told 10 s."""

BOUND_THREAD: Final = "headrace-bound"
"""It lives from a signal to the end of the process, which knows by it that somebody waits."""

_ALARM_AFTER_S: Final = 0.9
"""Behind the bound, so that the alarm, which says nothing, is the last resort."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def _alarm(after_s: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, after_s)


@contextmanager
def stop_on_signals(
    stop: threading.Event,
    exit_now: Callable[[int], object] = os._exit,
    alarm: Callable[[float], object] = _alarm,
    *,
    within_s: float = ENDS_WITHIN_S,
) -> Iterator[None]:
    """Set `stop` on the first SIGTERM or SIGINT; leave at once on the second, or when the first is `within_s` ago.

    For work that may be killed at any moment. The bound holds beyond the context, to the end of the process.

    Args:
        stop: what the work looks at.
        exit_now: ends the process with this exit code; a parameter for tests.
        alarm: ends it after so many seconds whatever happens in it; a parameter for tests.
        within_s: how long the work and the end of the process may take, seconds.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    listener = _Listener(heard, stop, exit_now, alarm, within_s)
    former = {number: signal.signal(number, _nothing) for number in _SIGNALS}
    former_fd = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    listener.start()
    try:
        yield
        listener.is_done = True
    finally:
        signal.set_wakeup_fd(former_fd)
        for number, handler in former.items():
            signal.signal(number, handler)
        os.close(told)  # ends the listener, unless it is to see to the end of the process


def _nothing(*_: object) -> None:
    """Stand in for the default, which would end the process; the listener does the work."""


class _Listener(threading.Thread):
    """Hears of signals, and sees to it that the first of them has its effect in time."""

    def __init__(
        self,
        heard: int,
        stop: threading.Event,
        exit_now: Callable[[int], object],
        alarm: Callable[[float], object],
        within_s: float,
    ) -> None:
        super().__init__(name="headrace-signals", daemon=True)
        self._heard = heard
        self._stop_work = stop
        self._exit_now = exit_now
        self._alarm = alarm
        self._within_s = within_s
        self.is_done = False

    def run(self) -> None:
        numbers = self._signals()
        if numbers:
            self.name = BOUND_THREAD
            self._alarm(self._within_s + _ALARM_AFTER_S)
            self._stop_work.set()
            if len(numbers) > 1:  # the second came with the first
                self._exit_now(128 + numbers[1])
            else:
                self._bounded(numbers[0])
        os.close(self._heard)

    def _bounded(self, first: int) -> None:
        deadline = time.monotonic() + self._within_s
        while (left_s := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([self._heard], [], [], left_s)
            if not readable:
                continue
            numbers = os.read(self._heard, 64)
            if not numbers:  # the work is over; what is left is the end of the process
                threading.Event().wait(max(0.0, deadline - time.monotonic()))
                break
            again = [number for number in numbers if number in _SIGNALS]
            if again:
                self._exit_now(128 + again[0])
                return
        if not self.is_done:
            sys.stderr.write(
                f"headrace: not done {self._within_s:g} s after signal {first}: left at once, which is safe; what is "
                "not in the table is read again\n"
            )
            sys.stderr.flush()
        self._exit_now(0 if self.is_done else 1)

    def _signals(self) -> list[int]:
        """Return what came first, of both kinds if they came together; nothing where no more can come."""
        while numbers := os.read(self._heard, 64):
            if known := [number for number in numbers if number in _SIGNALS]:
                return known
        return []
