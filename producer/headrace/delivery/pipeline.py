"""Captured calls to the sink, off the caller's thread.

    submit -> bounded queue -> one daemon thread: finish -> sink.send -> acknowledged

Nothing exists before the first call: no thread, no file, no socket. A fork leaves the parent's queue and thread to the
parent: the child begins with empty ones, under a new instance id. Exit flushes within a bound.
"""

import atexit
import contextlib
import logging
import os
import queue
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

from headrace.captured import CapturedCall
from headrace.config import Config
from headrace.delivery.finishing import Finisher
from headrace.delivery.sinks import Sink, sink_for
from headrace.ledger import Entry, Ledger, Stats

__all__ = ["Pipeline"]

logger = logging.getLogger("headrace")

POLL_S: Final = 0.1

_live: "weakref.WeakSet[Pipeline]" = weakref.WeakSet()


class Pipeline:
    """Delivers captured calls; thread-safe.

    Args:
        config: the configuration.
        make_sink: makes the sink; again in a forked child, whose connections must be its own.
        clock: seconds, monotonic.

    Raises:
        ConfigError: a Kafka option contradicts what the guarantees rest on.
    """

    def __init__(
        self,
        config: Config,
        *,
        make_sink: Callable[[Config], Sink] = sink_for,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._make_sink = make_sink
        self._clock = clock
        self._closed = False
        self._begin()
        _live.add(self)

    def submit(self, call: CapturedCall) -> bool:
        """Take a call; False where it is dropped, and counted. Never blocks, never raises."""
        if self._closed:
            self._ledger.refuse("closed")
            return False
        entry = self._ledger.open()
        try:
            self._queue.put_nowait((call, entry))
        except queue.Full:
            entry.drop("queue_full")
            return False
        if self._thread is None:
            self._start()
        return True

    def count_failure(self, reason: str) -> None:
        """Count a sampled call that could not be captured."""
        self._ledger.refuse(reason)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was submitted before is delivered or dropped; tell whether it was, in time."""
        self._flush_until = self._clock() + timeout_s
        return self._ledger.wait(timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Flush, end the thread and release the sink; what is left then is counted as dropped at exit."""
        if self._closed:
            return True
        self._closed = True
        drained = self._ledger.wait(timeout_s)
        self._ended.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(POLL_S * 5)
        lost = self._ledger.abandon("exit")
        if lost:
            logger.warning("headrace: %d captured calls were not delivered within %g s and are lost", lost, timeout_s)
        return drained and not lost

    def stats(self) -> Stats:
        """Return the ledger."""
        return self._ledger.stats()

    def renew(self) -> None:
        """Begin anew in a forked child: what the parent holds is the parent's to deliver."""
        self._begin()

    def exit(self) -> None:
        """Close within the configured bound."""
        self.close(self._config.telemetry.exit_timeout_s)

    def _begin(self) -> None:
        instance = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._ledger = Ledger(instance)
        self._queue: queue.Queue[tuple[CapturedCall, Entry]] = queue.Queue(self._config.telemetry.queue_max_records)
        self._finisher = Finisher(self._config, instance)
        self._sink = self._make_sink(self._config)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._flush_until = 0.0
        self._has_failed = False

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                with contextlib.suppress(RuntimeError):  # the interpreter is shutting down: exit counts the loss
                    thread = threading.Thread(target=self._work, name="headrace", daemon=True)
                    thread.start()
                    self._thread = thread

    def _work(self) -> None:
        sink, calls, ended = self._sink, self._queue, self._ended
        while not ended.is_set():
            try:
                call, entry = calls.get(timeout=POLL_S)
            except queue.Empty:
                # Acknowledgements arrive while polling; a flush also pushes what the client still gathers.
                sink.flush(POLL_S) if self._closed or self._clock() < self._flush_until else sink.poll()
                continue
            self._deliver(sink, call, entry)
            sink.poll()
        sink.close()

    def _deliver(self, sink: Sink, call: CapturedCall, entry: Entry) -> None:
        try:
            record, redactions = self._finisher.finish(call)
        except Exception as error:  # never sent unredacted
            entry.drop("finish_failed")
            if not self._has_failed:
                self._has_failed = True
                logger.warning("headrace: a captured call could not be finished (%s); counted", type(error).__name__)
            return
        self._ledger.add_redactions(redactions)
        sink.send(record, lambda lost_for: entry.deliver() if lost_for is None else entry.drop(lost_for))


def _renew_all() -> None:
    for pipeline in list(_live):
        pipeline.renew()


def _exit_all() -> None:
    for pipeline in list(_live):
        pipeline.exit()


os.register_at_fork(after_in_child=_renew_all)
atexit.register(_exit_all)
