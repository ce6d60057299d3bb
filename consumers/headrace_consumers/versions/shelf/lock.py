"""The lock of a signature's folder: who switches `latest`, deletes or replaces a version has it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files.disk import FILE_MODE

__all__ = ["LOCK", "holding", "locked"]

LOCK: Final = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a signature's folder; another process waits.

    Raises:
        VersionsError: there is no such folder, or the disk refuses, also what is done inside.
    """
    try:
        with holding(folder):
            yield
    except FileNotFoundError as error:
        raise VersionsError(f"{error.filename or folder}: is not there; headrace versions ls shows what is") from error
    except OSError as error:
        raise VersionsError(f"{error.filename or folder}: {error.strerror}") from error


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Do the same; OSError passes through."""
    descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # and with it the lock
