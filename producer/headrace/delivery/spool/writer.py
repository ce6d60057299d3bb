"""Writing one segment: whole lines only, whatever the disk does."""

import contextlib
import errno
import os
from pathlib import Path

__all__ = ["SegmentWriter", "TornError"]


class TornError(OSError):
    """A part of the line is in the file and could not be taken back; nothing more may be written there."""


class SegmentWriter:
    """Appends lines to a new file.

    Args:
        path: the file, which does not exist.

    Attributes:
        path: the file.
        size: its bytes.
        records: its lines.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.records = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def append(self, line: bytes) -> None:
        """Append a line, in one write.

        Raises:
            TornError: see there; the line counts as written, and will be found torn.
            OSError: nothing of it is in the file.
        """
        written = os.write(self._descriptor, line)
        if written < len(line):  # the disk is full
            try:
                os.ftruncate(self._descriptor, self.size)
            except OSError as error:
                self.size += written
                self.records += 1
                raise TornError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written
        self.records += 1

    def is_removed(self) -> bool:
        """Tell whether somebody removed the file: what is written to it nobody will find."""
        return os.fstat(self._descriptor).st_nlink == 0

    def close(self) -> None:
        """Close the file, on disk as far as the system can tell."""
        with contextlib.suppress(OSError):
            os.fsync(self._descriptor)
        self.abandon()

    def abandon(self) -> None:
        """Close the file and do nothing else: in a forked child, it is the parent's."""
        os.close(self._descriptor)
