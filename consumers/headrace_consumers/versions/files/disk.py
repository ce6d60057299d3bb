"""Files and folders for the owner only, on disk before anybody is told of them."""

import os
import secrets
from pathlib import Path
from typing import Final

__all__ = ["FILE_MODE", "FOLDER_MODE", "fsync_folder", "make_folder", "write_file", "write_over"]

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


def make_folder(path: Path) -> None:
    """Create a folder, and those above it that are missing; their entries are on disk. OSError passes through."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        fsync_folder(folder.parent)


def write_file(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, and return when its bytes are on disk. OSError passes through."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_over(path: Path, content: bytes) -> None:
    """Put a file in place of one that may be there: readers see all of the old one or all of the other.

    OSError passes through; a crash leaves at most a file whose name begins with a dot.
    """
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        write_file(staged, content)
        staged.replace(path)
    except OSError:
        staged.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def fsync_folder(path: Path) -> None:
    """Return when the folder's entries are on disk. OSError passes through."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
