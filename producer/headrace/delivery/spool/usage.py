"""How much all processes have on disk in the spool, against its cap.

Counting means reading the folder, so it is done only now and then: the cap may be exceeded by a megabyte a process.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["Usage"]

_RECOUNT_BYTES: Final = 1_000_000
_RECOUNT_S: Final = 1.0


class Usage:
    """Bounds the spool.

    Args:
        root: the folder of all processes.
        max_bytes: the cap.
        clock: seconds, monotonic.
    """

    def __init__(self, root: Path, max_bytes: float, clock: Callable[[], float]) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._clock = clock
        self._counted = 0
        self._counted_s = float("-inf")
        self._added = _RECOUNT_BYTES  # not counted yet
        self._damaged = 0

    @property
    def holds_damaged(self) -> bool:
        """Whether files that were set aside were among what was counted last."""
        return self._damaged > 0

    def has_room(self, size: int) -> bool:
        """Tell whether so many bytes more are within the cap.

        Raises:
            OSError: the folder cannot be read.
        """
        if self._added >= _RECOUNT_BYTES or (self._is_over(size) and self._clock() - self._counted_s >= _RECOUNT_S):
            self._count()
        return not self._is_over(size)

    def add(self, size: int) -> None:
        """Tell of bytes that were written, or deleted."""
        self._added += size

    def _is_over(self, size: int) -> bool:
        return self._counted + self._added + size > self._max_bytes

    def _count(self) -> None:
        self._damaged = self._size("*.damaged")
        self._counted, self._added = self._size("*/*") + self._damaged, 0
        self._counted_s = self._clock()

    def _size(self, pattern: str) -> int:
        total = 0
        for file in self._root.glob(pattern):
            try:
                total += file.stat().st_size
            except FileNotFoundError:  # another process has just replayed it
                continue
        return total
