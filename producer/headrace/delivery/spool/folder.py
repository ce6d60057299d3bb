"""A process's folder in the spool, and the lock in it that says that the process lives.

The kernel lets go of a lock when its process ends, however it ends. Whoever gets it then owns the folder. A folder is
removed, under its lock, when nothing is left in it; so whoever gets a lock looks whether the folder is still there.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headrace.delivery.outgoing import Kind

__all__ = ["Folder", "segment_of"]

_LOCK: Final = "lock"
_SEGMENT: Final = re.compile(r"(interaction|feedback|statistics)-(\d{13,})\.jsonl(\.gz)?")
_OURS: Final = re.compile(r"(interaction|feedback|statistics)-\d{13,}\.(position(\.part)?|jsonl(\.gz(\.part)?)?)")
_TRIES: Final = 20


class Folder:
    """A folder that this process owns. Make it with `create` or `claim`.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def create(cls, path: Path) -> "Folder":
        """Make a folder, owned.

        Raises:
            OSError: it cannot be made or locked.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(_TRIES):  # another process may take the new, empty folder for a dead one's, and remove it
            path.mkdir(mode=0o700, exist_ok=True)
            folder = cls._lock(path, os.O_CREAT)
            if folder is not None:
                return folder
        raise BlockingIOError(f"{path}: locked by another process")

    @classmethod
    def claim(cls, path: Path) -> "Folder | None":
        """Return a dead process's folder, owned from now on; None where its process lives, or another was first.

        Raises:
            OSError: the folder cannot be read or locked.
        """
        return cls._lock(path, 0)

    @classmethod
    def _lock(cls, path: Path, flags: int) -> "Folder | None":
        try:
            descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = os.path.samestat(os.fstat(descriptor), (path / _LOCK).stat())
        except (BlockingIOError, FileNotFoundError):
            is_there = False
        except OSError:
            os.close(descriptor)
            raise
        if not is_there:
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    def size_bytes(self) -> int:
        """Return the size of all files in it; of a folder that cannot be read, 0."""
        try:
            return sum(file.stat().st_size for file in self.path.iterdir())
        except OSError:
            return 0

    def segments(self) -> Iterator[Path]:
        """Yield the segments in it.

        Raises:
            OSError: the folder cannot be read.
        """
        for file in self.path.iterdir():
            if segment_of(file) is not None:
                yield file

    def remove(self) -> None:
        """Remove it, if no segment is left in it; it is not owned any more.

        Raises:
            OSError: something cannot be removed.
        """
        try:
            if not any(self.segments()):
                for file in self.path.iterdir():
                    if _OURS.fullmatch(file.name):
                        file.unlink()  # half an archive, a position without its segment
                if [file.name for file in self.path.iterdir()] == [_LOCK]:  # else it is somebody else's folder
                    (self.path / _LOCK).unlink()
                    self.path.rmdir()
        finally:
            self.release()

    def release(self) -> None:
        """Let go of it: whoever wants may own it. In a forked child this leaves the parent's lock alone."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def segment_of(file: Path) -> tuple[Kind, int] | None:
    """Return a segment's kind and when it was begun, Unix time in milliseconds; None for any other file."""
    match = _SEGMENT.fullmatch(file.name)
    return (match[1], int(match[2])) if match else None  # type: ignore[return-value]
