"""One thing is made while another one is used: reading beside sorting, sorting beside writing."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

__all__ = ["ahead"]

_Thing = TypeVar("_Thing")
_END: Final = object()


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
