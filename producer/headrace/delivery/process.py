"""What happens to pipelines when their process forks or exits.

A forked child has the parent's memory but not its threads: each pipeline begins anew there. At exit each pipeline is
closed within its bound. Children of `multiprocessing` end by `os._exit`, which runs no atexit functions, but they run
multiprocessing's own finalizers. A child that calls `os._exit` itself must call `headrace.shutdown` before.

A fork in the middle of another thread's import leaves the child with half a module, for good: so it waits for ours.
"""

import atexit
import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Final, Protocol

__all__ = ["forget", "register_exit", "unforked", "watch"]

_IMPORT_S: Final = 5.0
"""How long a fork may wait for `unforked`: longer than any import, shorter than a hang."""


class Survivor(Protocol):
    """What a process event does to a pipeline."""

    exit_timeout_s: float

    def renew(self) -> None:
        """Begin anew in a forked child."""

    def close(self, timeout_s: float) -> bool:
        """Deliver what is left, within the bound."""


class _Watched:
    def __init__(self) -> None:
        self.pipelines: weakref.WeakSet[Survivor] = weakref.WeakSet()  # a pipeline that was never used may just go
        self.has_exit_function = False
        self.finalizer_pid = 0
        self.unforked = threading.Lock()
        self.forking = threading.local()


_watched = _Watched()


def watch(pipeline: Survivor) -> None:
    """Renew this pipeline in each forked child."""
    _watched.pipelines.add(pipeline)


def forget(pipeline: Survivor) -> None:
    """End `watch`."""
    _watched.pipelines.discard(pipeline)


def register_exit() -> None:
    """Close the watched pipelines when this process exits.

    Called with the first call that is submitted: a program that captures nothing has nothing registered.
    """
    if not _watched.has_exit_function:
        atexit.register(_close_all)
        _watched.has_exit_function = True  # forked children inherit the registration
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None and processes.parent_process() is not None and _watched.finalizer_pid != os.getpid():
        from multiprocessing.util import Finalize

        Finalize(None, _close_all, exitpriority=0)
        _watched.finalizer_pid = os.getpid()


@contextlib.contextmanager
def unforked() -> Iterator[None]:
    """Return a context manager inside which this process is not forked."""
    with _watched.unforked:
        yield


def _before_fork() -> None:
    _watched.forking.holds = _watched.unforked.acquire(timeout=_IMPORT_S)


def _after_fork() -> None:
    if _watched.forking.holds:
        _watched.unforked.release()


def _close_all() -> None:
    began = time.monotonic()
    for pipeline in list(_watched.pipelines):
        pipeline.close(max(0.0, pipeline.exit_timeout_s - (time.monotonic() - began)))


def _renew_all() -> None:
    _watched.unforked = threading.Lock()
    for pipeline in list(_watched.pipelines):
        pipeline.renew()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_renew_all)
