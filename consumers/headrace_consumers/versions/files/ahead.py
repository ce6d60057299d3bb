"""Things are made while others are used: reading beside sorting, sorting beside writing, two parts at once."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["AT_ONCE", "ahead", "side_by_side"]

_Thing = TypeVar("_Thing")
_Made = TypeVar("_Made")
_END: Final = object()

_CORES: Final = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
AT_ONCE: Final = min(4, _CORES)
"""So many parts are made at once: each of them takes memory."""


def ahead(things: Iterable[_Thing]) -> Iterator[_Thing]:
    """Yield what an iterable gives; a thread asks it for the next thing, and no further, while one is used.

    What the iterable raises is raised here, in its place.
    """
    waiting = iter(things)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, waiting, _END)
        while (thing := coming.result()) is not _END:
            coming = thread.submit(next, waiting, _END)
            yield thing  # type: ignore[misc]  # it is not _END


def side_by_side(make: Callable[[_Thing], _Made], things: Iterable[_Thing], at_once: int = AT_ONCE) -> Iterator[_Made]:
    """Yield what is made of things, in their order; so many are made at once, by threads, and no more wait to be used.

    What `make` raises is raised here, in its place; what is under way then is waited for, and dropped.
    """
    coming: deque[Future[_Made]] = deque()
    waiting = iter(things)
    with ThreadPoolExecutor(at_once) as threads:
        try:
            for thing in waiting:
                coming.append(threads.submit(make, thing))
                if len(coming) > at_once:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for each in coming:
                each.cancel()
