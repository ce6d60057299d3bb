"""A disk that refuses, in one line: the folder, why, and what to do."""

import errno
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
        folder: of the signature.
        what: cannot be done.
        error: what the disk said.
        private: what was being made; how large it is tells how much room is needed at least.
        otherwise: what to do where room is not what is missing.
    """
    why = _NO_ROOM.get(error.errno or 0)
    if why is None:
        return VersionsError(f"{folder}: {what} ({error.strerror or error}){otherwise}")
    so_far = _size_bytes(private) if private is not None else 0
    written = f"{so_far / _MB:,.1f} MB were written so far; " if so_far else ""
    return VersionsError(
        f"{folder}: {what}, {why}: {written}a cut takes about twice what its version then has. "
        "Make room there (headrace versions delete), or put versions.path on another disk"
    )


def _size_bytes(folder: Path) -> int:
    """Return how much a folder holds, as far as it can be read."""
    try:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except OSError:
        return 0
