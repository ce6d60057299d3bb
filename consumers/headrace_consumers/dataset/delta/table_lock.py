"""Who has the table open on this disk: everybody shares a lock, and a repair at opening needs it alone.

    guard, exclusive, briefly  ->  is the last commit torn?  no: share `open`     yes: `open` alone, repair, then share

A member that is at work holds in memory what the log said when it opened it; taking an entry back under its hands would
let its next commit pass over records that are then in no row.
"""

import contextlib
import fcntl
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

from headrace_consumers.dataset.delta.store import make_private_folder

__all__ = ["TableLock"]


class TableLock:
    """A process's share in the table's lock, until `close`, or until nobody refers to it.

    Args:
        table: the table's folder; made if it is missing.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, table: Path) -> None:
        folder = table / "_locks"
        make_private_folder(folder)
        self._guard = folder / "opening"
        self._descriptor = _open(folder / "open")
        self._closed = weakref.finalize(self, os.close, self._descriptor)

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """Examine and open the table inside; others wait for that. Afterwards the lock is shared."""
        guard = _open(self._guard)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        finally:
            os.close(guard)

    def is_alone(self) -> bool:
        """Take the lock for this process alone, while `opening`; False if another has the table open."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give up the share."""
        self._closed()


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
