"""Compressing a sealed segment, a slice at a time: the thread that does it has records to take meanwhile."""

import os
import zlib
from pathlib import Path
from typing import Final

__all__ = ["Compression"]

_SLICE_BYTES: Final = 1 << 18
_GZIP_BITS: Final = 31
"""zlib's largest window, with the header and trailer of gzip."""


class Compression:
    """Puts a file into a gzip archive, which takes its place when it is complete and on disk.

    Nothing is buffered here: a forked child that lets go of its copy writes nothing into the parent's archive.

    Args:
        path: the file, which nobody writes any more.

    Attributes:
        path: the file.
        packed: the archive.

    Raises:
        OSError: the archive cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packed = path.with_name(path.name + ".gz")
        self._part = path.with_name(path.name + ".gz.part")
        self._packer = zlib.compressobj(level=1, wbits=_GZIP_BITS)  # the lowest level is the fastest by far
        self._plain = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._archive = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError:
            os.close(self._plain)
            raise

    def step(self) -> bool:
        """Compress a slice; tell whether it was the last one, after which `close` is due.

        Raises:
            OSError: the disk is full, say; the file is untouched.
        """
        piece = os.read(self._plain, _SLICE_BYTES)
        if piece:
            self._write(self._packer.compress(piece))
            return False
        self._write(self._packer.flush())
        os.fsync(self._archive)
        self._part.rename(self.packed)
        self.path.unlink()
        return True

    def close(self) -> None:
        """End it; an archive that is not complete is removed."""
        self.abandon()
        self._part.unlink(missing_ok=True)

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files."""
        os.close(self._plain)
        os.close(self._archive)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._archive, data) :]
