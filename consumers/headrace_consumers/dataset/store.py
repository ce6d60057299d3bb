"""Where data files are written and made durable: staged, then published before the table names them, or discarded.

Only the owner may read what is written here (files 0600, folders 0700): the rows are people's words.
"""

import contextlib
import os
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

__all__ = ["FILE_MODE", "LocalStore", "Store", "fsync_file", "fsync_folder", "make_private_folder"]

FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700


class Store(Protocol):
    """Takes data files under their names relative to the table, e.g. ``ingest_date=2026-11-25/0f3a.parquet``."""

    def stage(self, name: str) -> Path:
        """Return the local path into which the file is to be written; it exists, is empty and private.

        Raises:
            OSError: the disk refused, or the name is taken.
        """
        ...

    def publish(self, name: str) -> int:
        """Make a staged file durable under its name; return its exact size in bytes.

        Raises:
            OSError: the store refused; the file is not to be named in the table.
        """
        ...

    def discard(self, name: str) -> None:
        """Remove a file that the table does not name, staged or published; a file that is gone is no error."""
        ...


class LocalStore:
    """Stages files at their final place in the table's folder: until a commit names them, they are nobody's.

    Args:
        root: the table's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def stage(self, name: str) -> Path:
        """See Store."""
        path = self._path(name)
        if not path.parent.exists():
            make_private_folder(path.parent)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
        return path

    def publish(self, name: str) -> int:
        """See Store."""
        path = self._path(name)
        fsync_file(path)
        folder = path.parent
        fsync_folder(folder)
        if folder != self._root:
            fsync_folder(folder.parent)  # the partition's folder may be new, made by this process or by another
        return path.stat().st_size

    def discard(self, name: str) -> None:
        """See Store."""
        with contextlib.suppress(OSError):
            self._path(name).unlink()

    def _path(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or parts[0] == "/" or ".." in parts:
            raise ValueError(f"{name!r} is no name inside the table")
        return self._root.joinpath(*parts)


def make_private_folder(path: Path) -> None:
    """Create the folder, and those above it that are missing, for the owner only; one that exists is left as it is."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)


def fsync_file(path: Path) -> None:
    """Return when the file's bytes are on disk."""
    _fsync(path, os.O_RDONLY)


def fsync_folder(path: Path) -> None:
    """Return when the folder's entries are on disk."""
    _fsync(path, os.O_RDONLY | os.O_DIRECTORY)


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
