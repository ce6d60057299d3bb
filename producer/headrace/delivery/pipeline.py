"""Captured calls and feedback to the sink, off the caller's thread.

    submit -> bounded queue -> one daemon thread: finish -> outbox: broker, or disk until it is back

Nothing exists before the first call: no thread, no file, no socket. A fork leaves the parent's queue and thread to the
parent: the child begins with empty ones, under a new instance id. Exit delivers what is left, within a bound.
"""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from headrace.captured import Captured
from headrace.config import Config
from headrace.counters import Counters
from headrace.delivery import process
from headrace.delivery.complaints import Complaints
from headrace.delivery.finishers import Finishers
from headrace.delivery.footprint import footprint
from headrace.delivery.outbox import Outbox
from headrace.delivery.protection import Protection
from headrace.delivery.sinks import Sink, sink_for
from headrace.delivery.spool import Spool, spool_for
from headrace.delivery.statistics import StatisticsPublisher
from headrace.delivery.worker import Worker
from headrace.interruption import pass_on
from headrace.key_material import producer_keys
from headrace.ledger import Ledger, Stats
from headrace.redaction import OwnRedactor

__all__ = ["Pipeline"]

logger = logging.getLogger("headrace")

_UNFINISHED_SHARE: Final = 0.4
"""Of the time for exit, what waits in the queue may need so much to be finished; the rest is for Kafka and the disk."""

_UNFINISHED_S: Final = 1.0
"""... and however short the time for exit is, so much may wait."""

_GRACE_S: Final = 0.3
"""Beyond its time, `close` waits this long for a thread that is just releasing the sink."""


def _new_instance() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


class Pipeline:
    """Delivers captured calls; thread-safe.

    Args:
        config: the configuration.
        make_sink: makes the sink; again in a forked child, whose connections must be its own.
        make_spool: likewise for what keeps records while the sink's broker is away; it may make None.
        clock: seconds, monotonic.
        new_instance: names this process, and again a forked child.
        new_thread: makes the thread.
        on_new_series: called when a call of a module, version and signature is counted for the first time in a process.
        redactors: the service's own, see `headrace.configure`.

    Attributes:
        counters: of this process's calls; the first one starts the thread, which publishes them.
        exit_timeout_s: how long exit may wait for delivery.

    Raises:
        ConfigError: a Kafka option contradicts what the guarantees rest on, or a key cannot be had.
    """

    def __init__(
        self,
        config: Config,
        *,
        make_sink: Callable[[Config], Sink] = sink_for,
        make_spool: Callable[[Config, str], Spool | None] = spool_for,
        clock: Callable[[], float] = time.monotonic,
        new_instance: Callable[[], str] = _new_instance,
        new_thread: Callable[..., threading.Thread] = threading.Thread,
        on_new_series: Callable[[], object] = lambda: None,
        redactors: Sequence[OwnRedactor] = (),
    ) -> None:
        self._keys = producer_keys(config)
        self._redactors = tuple(redactors)
        self.exit_timeout_s = config.telemetry.exit_timeout_s
        self._config = config
        self._make_sink = make_sink
        self._make_spool = make_spool
        self._clock = clock
        self._new_instance = new_instance
        self._new_thread = new_thread
        self._tell_of_new_series = on_new_series
        self._closed = False
        self._successor: Callable[[Captured], bool] | None = None
        self._begin()
        process.watch(self)

    def submit(self, captured: Captured) -> bool:
        """Take a call or a feedback; False where it is dropped, and counted. Never blocks, raises nothing of its own.

        Threads that submit at the same moment may exceed the queue's bound by one call each. What comes once this is
        closed is its successor's, if there is one.
        """
        entry = self._ledger.entry()
        try:
            entry.open()  # first: what a close at this moment leaves in the queue, it counts as lost
            size = footprint(captured)
            obstacle = self._obstacle(size)
            if obstacle is None:
                self._worker.put(captured, entry, size)
            # Asked after it is in the queue: a close that this does not see comes after it, and works it off.
            if self._closed and self._successor is not None and entry.hand_over():
                return self._successor(captured)
            if obstacle is not None:
                entry.drop(obstacle)
                return False
        except BaseException as error:
            entry.withdraw("submit_failed")
            pass_on(error)
            if not isinstance(error, Exception):
                raise
            self._complaints.warn("submit", "headrace: a call could not be queued (%s)", type(error).__name__)
            return False
        return True

    def count_failure(self, reason: str) -> None:
        """Count a sampled call that could not be captured."""
        self._ledger.refuse(reason)

    def count_program_failure(self, reason: str) -> None:
        """Count a program version that the router did not use."""
        self._ledger.add_program_failure(reason)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was submitted before is delivered, on disk or dropped, and the counters are published.

        Tell whether that was so in time.
        """
        deadline_s = self._clock() + timeout_s
        if self._worker.waiting and not self._closed:
            self._has_thread()
        with self._worker.awaited():
            is_done = self._ledger.wait(timeout_s)
            if self._closed or not self._is_running():
                return is_done
            return self._worker.publish().wait(max(0.0, deadline_s - self._clock())) and is_done

    def close(self, timeout_s: float, successor: Callable[[Captured], bool] | None = None) -> bool:
        """Flush, end the thread and release the sink; tell whether nothing was lost by that.

        What the broker has not taken goes to disk. What is left when the time is over, and what comes later, goes to
        the successor; without one it is counted as dropped at exit. A second call returns True at once.
        """
        if self._closed:
            return True
        self._successor = successor
        self._closed = True
        process.forget(self)
        thread = self._thread
        if thread is not None and (self._is_running() or thread.is_alive()):
            self._worker.stop(timeout_s, successor)
            if thread is not threading.current_thread():
                thread.join(timeout_s + _GRACE_S)
        if successor is not None:
            self._worker.hand_over(successor)
        self._ledger.abandon("exit")
        lost = self._ledger.stats().dropped.get("exit", 0)
        if lost:
            logger.warning("headrace: %d captured calls were not delivered within %g s and are lost", lost, timeout_s)
        return not lost

    def stats(self) -> Stats:
        """Return the ledger."""
        return self._ledger.stats()

    def renew(self) -> None:
        """Begin anew in a forked child: what the parent holds is the parent's to deliver."""
        self._outbox.abandon()
        self._begin()

    def _begin(self) -> None:
        instance = self._new_instance()
        self._ledger: Ledger = Ledger(instance)
        self.counters: Counters = Counters(self._on_new_series)
        self._complaints = Complaints(self._clock)
        self._outbox = Outbox(
            self._make_sink(self._config),
            self._ledger,
            self._make_spool(self._config, instance),
            complaints=self._complaints,
            clock=self._clock,
        )
        self._worker: Worker = Worker(
            self._outbox,
            Finishers(self._config, instance, Protection(self._config, self._keys, self._redactors)),
            self._ledger,
            StatisticsPublisher(
                self.counters,
                self._ledger,
                self._config.telemetry,
                clock=self._clock,
                spool_bytes=self._outbox.spool_bytes,
            ),
            complaints=self._complaints,
            clock=self._clock,
        )
        self._starting = threading.RLock()
        self._is_starting = self._is_at_work = False
        self._thread: threading.Thread | None = None

    def _obstacle(self, size: int) -> str | None:
        """Tell why a call cannot be taken."""
        if self._closed:
            return "closed"
        if self._worker.waiting >= self._config.telemetry.queue_max_records:
            return "queue_full"
        if self._worker.waiting_bytes + size > self._config.telemetry.queue_max_mb * 1e6:
            return "queue_mb_full"
        if self._worker.waiting_s > max(self.exit_timeout_s * _UNFINISHED_SHARE, _UNFINISHED_S):
            return "queue_s_full"
        return None if self._has_thread() else "no_thread"

    def _on_new_series(self) -> None:
        if self._closed:
            return
        self._tell_of_new_series()
        if self._config.telemetry.statistics_interval_s:
            self._has_thread()

    def _has_thread(self) -> bool:
        """Start the thread unless it runs; False where the process can start none, as at its very end."""
        if self._is_running() or self._is_starting:  # else another thread is just at it, or what a signal interrupted
            return True
        # A signal handler may raise after any call: `with` lets go of the lock even then, and an assignment is no call.
        with self._starting:
            if self._is_running() or self._is_starting:
                return True
            try:
                self._is_starting = True
                process.register_exit()
                self._thread = self._new_thread(target=self._run, args=(self._worker,), name="headrace", daemon=True)
                self._thread.start()
                self._is_at_work = True
            except RuntimeError:
                return False
            finally:
                self._is_starting = False
        return True

    def _run(self, worker: Worker) -> None:
        """Work, unless an interrupted start left this thread behind and another took its place."""
        with self._starting:
            if self._thread is not threading.current_thread():
                return
            self._is_at_work = True
        try:
            worker.run()
        finally:
            self._is_at_work = False

    def _is_running(self) -> bool:
        # Python's own `is_alive`, interrupted by a signal, takes a living thread for dead ever after.
        return self._is_at_work
