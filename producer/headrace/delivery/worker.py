"""The background thread's work: take a call, finish it, give it to the sink, and tell the ledger what became of it.

    queue --> finish --> outbox: broker or disk --> entry.deliver | entry.spool | entry.drop

Between calls it publishes the counters when they are due, and a last time when it ends.

Nothing that a call, the finisher or a sink does may end the loop: a dead worker would lose all calls after it.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Final

from headrace.captured import Captured
from headrace.delivery.complaints import Complaints
from headrace.delivery.finishers import Finishers
from headrace.delivery.outbox import Outbox
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.pace import Pace
from headrace.delivery.statistics import StatisticsPublisher
from headrace.ledger import Entry, Ledger
from headrace.redaction import RedactorError

__all__ = ["Worker"]

_ACKNOWLEDGEMENT_S: Final = 0.1
"""With records under way, look for acknowledgements this often at least."""

_IDLE_S: Final = 5.0
"""With nothing to do, let the sink tend its connections this often."""

_BACKLOG_S: Final = 0.5
"""With records on disk, see this often whether they can go."""

_BURST: Final = 100
"""While no call waits, so many records are taken from disk at a time; else one follows each call."""


class _Wake:
    """In the queue: look around."""


class Worker:
    """Works off a queue in one thread.

    Args:
        outbox: where records go; used by the worker's thread only.
        finishers: make records of calls and feedback.
        ledger: counts redactions.
        statistics: makes the records of the counters.
        complaints: logs trouble.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        outbox: Outbox,
        finishers: Finishers,
        ledger: Ledger,
        statistics: StatisticsPublisher,
        *,
        complaints: Complaints,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._finishers = finishers
        self._ledger = ledger
        self._statistics = statistics
        self._complaints = complaints
        self._clock = clock
        self._pace = Pace()
        # SimpleQueue: its put takes no lock that a signal handler's or a finalizer's own submit could wait for.
        self._queue: SimpleQueue[tuple[Captured, Entry, int] | threading.Event | _Wake | None] = SimpleQueue()
        self._measuring = threading.RLock()
        self._waiting_bytes = 0
        self._deadline = float("inf")
        self._stopping = threading.Event()
        self._has_hastened = False
        self._looks_again = False
        self._awaiting = 0
        self._successor: Callable[[Captured], object] | None = None

    @property
    def waiting(self) -> int:
        """How many calls and feedbacks are in the queue."""
        return self._queue.qsize()

    @property
    def waiting_bytes(self) -> int:
        """How much memory they hold, by `footprint`, with the one in work."""
        return self._waiting_bytes

    @property
    def waiting_s(self) -> float:
        """How long they will take to finish."""
        return self._pace.seconds_for(self._waiting_bytes)

    def put(self, captured: Captured, entry: Entry, size: int) -> None:
        """Queue a call or a feedback of so many bytes; never blocks."""
        self._measure(size)
        self._queue.put((captured, entry, size))

    @contextlib.contextmanager
    def awaited(self) -> Iterator[None]:
        """Return a context manager inside which somebody waits for acknowledgements: they are told at once."""
        self._await(1)
        self._queue.put(_Wake())
        try:
            yield
        finally:
            self._await(-1)

    def publish(self) -> threading.Event:
        """Publish the counters now; the event is set when a record of later than now has ended."""
        published = threading.Event()
        self._queue.put(published)
        return published

    def stop(self, timeout_s: float, successor: Callable[[Captured], object] | None = None) -> None:
        """Work off what is queued, for at most so long, then close the sink and return from `run`.

        What is left then goes to the successor; without one it is lost.
        """
        self._successor = successor
        self._deadline = self._clock() + timeout_s
        self._stopping.set()
        self._queue.put(None)

    def hand_over(self, successor: Callable[[Captured], object]) -> None:
        """Give the successor what is queued, where the thread did not come to it in time."""
        with contextlib.suppress(Empty):
            while (item := self._queue.get_nowait()) is not None:
                if isinstance(item, threading.Event):
                    item.set()
                elif not isinstance(item, _Wake):
                    _hand_over(*item[:2], successor)
            self._queue.put(None)  # the thread's own

    def run(self) -> None:
        """Work until `stop`."""
        while (item := self._next()) is not None:
            captured, entry, size = item
            self._hasten()
            if not self._is_late():
                self._deliver(captured, entry, size)
            elif self._successor is None:
                entry.drop("exit")
            else:
                _hand_over(captured, entry, self._successor)
            self._measure(-size)
        self._hasten()
        self._settle()
        self._publish(self._statistics.take_last)
        while self._outbox.needs_room() and not self._is_late():
            self._poll(_ACKNOWLEDGEMENT_S)
        try:
            self._outbox.close(max(0.0, self._deadline - self._clock()))
        except Exception as error:
            self._complain("close", error)

    def _next(self) -> tuple[Captured, Entry, int] | None:
        while True:
            self._publish(self._statistics.take)
            pending = self._outbox.pending()
            is_eager = bool(pending) and (self._awaiting > 0 or self._outbox.is_replaying())
            try:
                if is_eager or self._looks_again:
                    item = self._queue.get_nowait()
                else:
                    item = self._queue.get(timeout=self._wait_s(pending))
            except Empty:
                sent = self._replay(_BURST)
                self._poll(_ACKNOWLEDGEMENT_S if is_eager and not sent else 0.0, is_awaited=self._awaiting > 0)
                # After the last acknowledgement, too, it looks for more to replay.
                self._looks_again = bool(sent or (pending and not self._outbox.pending()))
                continue
            if isinstance(item, threading.Event):
                self._statistics.hurry(item.set)
            elif not isinstance(item, _Wake):
                return item

    def _wait_s(self, pending: int) -> float:
        """Return how long a new call is waited for.

        A call is worked on as soon as it comes, while its caller waits for its next LM. If acknowledgements were waited
        for instead, calls would be worked on in bundles, and callers wait for the interpreter lock meanwhile.
        """
        wait_s = _BACKLOG_S if self._outbox.has_backlog() else _IDLE_S
        return min(_ACKNOWLEDGEMENT_S if pending else wait_s, self._statistics.due_in_s())

    def _await(self, number: int) -> None:
        with self._measuring:
            self._awaiting += number

    def _measure(self, size: int) -> None:
        with self._measuring:
            self._waiting_bytes += size

    def _publish(self, take: Callable[[], Outgoing | None]) -> None:
        """Hand over the newest counters, if they are due."""
        try:
            outgoing = take()
            if outgoing is not None:
                self._outbox.publish(outgoing, self._statistics.end)
        except Exception as error:
            self._statistics.end()
            self._complain("statistics", error)

    def _settle(self) -> None:
        try:
            self._outbox.settle(max(0.0, self._deadline - self._clock()))
        except Exception as error:
            self._complain("settle", error)

    def _deliver(self, captured: Captured, entry: Entry, size: int) -> None:
        if not entry.claim():
            return  # a signal handler interrupted its submit, which counted it as dropped
        began_s = self._clock()
        try:
            outgoing, redactions = self._finishers.finish(captured)
        except RedactorError as error:  # what cannot be redacted never leaves
            entry.drop(error.reason)
            self._complaints.warn(f"redactor {error.reason}", "headrace: a record was dropped: %s", error)
            return
        except Exception as error:
            entry.drop("finish_failed")
            self._complain("finish", error)
            return
        finally:
            self._pace.note(size, self._clock() - began_s)
        self._ledger.add_redactions(redactions)
        while not self._outbox.send(outgoing, entry):
            self._poll(_ACKNOWLEDGEMENT_S)  # the sink is full: our queue fills, and counts what it cannot take
            if self._is_late():
                entry.drop("exit")
                return
        self._replay(1)
        self._poll(0.0)

    def _replay(self, records: int) -> int:
        try:
            return self._outbox.replay(records)
        except Exception as error:
            self._complain("replay", error)
            return 0

    def _poll(self, timeout_s: float, *, is_awaited: bool = False) -> None:
        try:
            if is_awaited:
                self._outbox.push(timeout_s)
                timeout_s = 0.0
            self._outbox.poll(timeout_s)
        except Exception as error:
            self._complain("poll", error)
            self._stopping.wait(timeout_s)  # or a sink that raises at once would keep the processor busy

    def _hasten(self) -> None:
        if self._stopping.is_set() and not self._has_hastened:
            self._has_hastened = True
            self._outbox.hasten(max(0.0, self._deadline - self._clock()))

    def _is_late(self) -> bool:
        return self._clock() >= self._deadline

    def _complain(self, step: str, error: Exception) -> None:
        # The type only: a message may quote the payload.
        self._complaints.warn(
            f"{step} {type(error).__name__}",
            "headrace: trouble in %s (%s); what is lost by it is counted in headrace.stats()",
            step,
            type(error).__name__,
        )


def _hand_over(captured: Captured, entry: Entry, successor: Callable[[Captured], object]) -> None:
    if entry.hand_over():
        successor(captured)
