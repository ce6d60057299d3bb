"""Sealed segments that wait for compression, one at a time, a slice at each step."""

from collections.abc import Callable

from headrace.delivery.spool.compression import Compression
from headrace.delivery.spool.segment import Segment

__all__ = ["Compressor"]


class Compressor:
    """Compresses segments while there is nothing better to do.

    Args:
        complain: told of an error; the segment stays as it is.
    """

    def __init__(self, complain: Callable[[OSError], object]) -> None:
        self._complain = complain
        self._waiting: list[Segment] = []
        self._current: tuple[Compression, Segment] | None = None

    def add(self, segment: Segment) -> None:
        """Compress a segment some time; its path changes when that is done."""
        self._waiting.append(segment)

    def leave(self, segment: Segment) -> None:
        """Do not compress it, or no further: it is about to be replayed, or removed."""
        if segment in self._waiting:
            self._waiting.remove(segment)
        if self._current is not None and self._current[1] is segment:
            self._end()

    def step(self) -> None:
        """Compress a slice."""
        try:
            if self._current is None:
                if not self._waiting:
                    return
                segment = self._waiting.pop(0)
                self._current = Compression(segment.path), segment
            compression, segment = self._current
            if not compression.step():
                return
            segment.path = compression.packed
        except OSError as error:
            self._complain(error)
        self._end()

    def close(self) -> None:
        """End it; what is not compressed stays as it is."""
        self._waiting.clear()
        self._end()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files."""
        if self._current is not None:
            self._current[0].abandon()
        self._waiting, self._current = [], None

    def _end(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current[0].close()
