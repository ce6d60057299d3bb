"""A disk that refuses, in one line: the folder, why, and what to do."""

import errno
import os
from pathlib import Path
from typing import Final

from headrace_consumers.versions.errors import VersionsError

__all__ = ["refused"]

_NO_ROOM: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "a file would be larger than it may be (ulimit -f)",
}
_MB: Final = 1_000_000


def refused(folder: Path, what: str, error: OSError, private: Path | None = None, otherwise: str = "") -> VersionsError:
    """Return the error for people.

    Args:
        folder: of the signature, or of what was to be written.
        what: cannot be done.
        error: what the disk said.
        private: what was being made; how large it is tells how much room is needed at least.
        otherwise: what to do where room is not what is missing.
    """
    why = _NO_ROOM.get(error.errno or 0)
    if why is None:
        return VersionsError(f"{folder}: {what} ({os.strerror(error.errno) if error.errno else error}){otherwise}")
    so_far = _size_bytes(private) / _MB if private is not None else 0
    written = f"{so_far:,.1f} MB were written so far, and " if so_far >= 0.1 else ""  # noqa: PLR2004  # one digit
    return VersionsError(
        f"{folder}: {what}, {why}: {written}about twice the size of the version is needed. "
        "Make room (headrace versions delete), or use another disk (versions.path)"
    )


def _size_bytes(folder: Path) -> int:
    """Return how much a folder holds, as far as it can be read."""
    try:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except OSError:
        return 0
