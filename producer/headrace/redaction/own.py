"""A service's own redactors: plain callables, text to text, bounded in time.

    apply(value) --> a thread of their own: f1, f2, ... on every text in it --> value
                        raises, or returns no text     -> RedactorError, reason redactor_failed
                        longer than the bound          -> RedactorError, reason redactor_slow; the thread is given up

They run before the rules, which have the last word over what they return. A call that hangs costs the delivery one
bound: its thread is left to itself, and the next record gets a new one. Where several hang at the same time, no further
record is tried until one of them returns: each would only add a thread. One that keeps Python's lock, as a regular
expression does, stops all threads for as long, here as anywhere: where it ends at last its record is dropped as slow;
where it never does, no bound can help.
"""

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from queue import SimpleQueue
from typing import Any, Final, TypeAlias

from headrace.redaction.tree import told_apart

__all__ = ["OwnRedactor", "OwnRedactors", "RedactorError"]

OwnRedactor: TypeAlias = Callable[[str], str]

_MOST_HANGING: Final = 4


class RedactorError(Exception):
    """A redactor failed or took too long: the record must not leave.

    Attributes:
        reason: under which the ledger counts it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class OwnRedactors:
    """Applies redactors to JSON values; used by one thread.

    Args:
        redactors: each is given a text and returns what leaves in its place.
        timeout_s: how long all of them may take on one record.
        new_thread: makes a thread.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        redactors: Iterable[OwnRedactor],
        timeout_s: float,
        *,
        new_thread: Callable[..., threading.Thread] = threading.Thread,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redactors = tuple(redactors)
        self._timeout_s = timeout_s
        self._new_thread = new_thread
        self._clock = clock
        self._runner: _Runner | None = None
        self._hanging: list[_Runner] = []
        self.description = ",".join(_name(redactor) for redactor in self._redactors)

    def apply(self, value: Any) -> Any:
        """Return a copy of a JSON value with every text in it, keys too, as the redactors return it.

        Raises:
            RedactorError: see above. Its message names the redactor and quotes nothing.
        """
        if not self._redactors:
            return value
        self._hanging = [runner for runner in self._hanging if not runner.work.is_over]
        if len(self._hanging) >= _MOST_HANGING:
            raise RedactorError("redactor_slow", f"{len(self._hanging)} calls of {self.description} hang")
        job = _Job(value)
        runner = self._running()
        started_s = self._clock()
        runner.work.jobs.put(job)
        if not job.done.wait(self._timeout_s):
            runner.work.jobs.put(None)  # where it ends, should it ever come back
            self._hanging.append(runner)
            self._runner = None
            raise RedactorError("redactor_slow", f"{job.at or self.description} took over {self._timeout_s:g} s")
        # Whoever keeps Python's lock all the while has ended before this thread could see that the bound was over.
        if self._clock() - started_s > self._timeout_s:
            raise RedactorError("redactor_slow", f"{self.description} took over {self._timeout_s:g} s")
        if job.failure:
            raise RedactorError("redactor_failed", job.failure)
        return job.result

    def _running(self) -> "_Runner":
        if self._runner is None or self._runner.work.is_over:
            try:
                self._runner = _Runner(self._redactors, self._new_thread)
            except RuntimeError:
                raise RedactorError("redactor_failed", "no thread can be started for it") from None
            weakref.finalize(self, self._runner.work.jobs.put, None)
        return self._runner


class _Job:
    """One value, and what becomes of it."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.done = threading.Event()
        self.result: Any = None
        self.failure = ""
        self.at = ""


class _Work:
    """What a thread has to do, and whether it still does it.

    Python's own `is_alive`, interrupted by a signal, takes a living thread for dead ever after.
    """

    def __init__(self) -> None:
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.is_over = False


class _Runner:
    """A thread that works off jobs until it is given None."""

    def __init__(self, redactors: tuple[OwnRedactor, ...], new_thread: Callable[..., threading.Thread]) -> None:
        self.work = _Work()
        # Not a bound method: the thread must not keep its owner alive.
        thread = new_thread(target=_run, args=(self.work, redactors), name="headrace-redactors", daemon=True)
        thread.start()


def _run(work: _Work, redactors: tuple[OwnRedactor, ...]) -> None:
    try:
        while (job := work.jobs.get()) is not None:
            _do(job, redactors)
    finally:
        work.is_over = True


def _do(job: _Job, redactors: tuple[OwnRedactor, ...]) -> None:
    try:
        value = job.value
        for redactor in redactors:
            job.at = _name(redactor)
            value = _applied(value, redactor)
        job.result = value
    except BaseException as error:  # a SystemExit, too, must not end the thread unseen
        job.failure = f"{job.at} raised {type(error).__name__}"
    job.done.set()


def _applied(value: Any, redactor: OwnRedactor) -> Any:
    if isinstance(value, str):
        text = redactor(value)
        if not isinstance(text, str):
            raise TypeError(type(text).__name__)
        return text
    if isinstance(value, list | tuple):
        items = [_applied(item, redactor) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, Mapping):
        keys = told_apart({key: _applied(key, redactor) for key in value})
        return {keys[key]: _applied(item, redactor) for key, item in value.items()}
    return value


def _name(redactor: OwnRedactor) -> str:
    name = "redactor"
    with contextlib.suppress(Exception):
        kind = redactor if hasattr(redactor, "__qualname__") else type(redactor)
        name = f"{kind.__module__}.{kind.__qualname__}"
    return name
