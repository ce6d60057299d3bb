"""Two folders change places, at once where the system can: whoever opens a path sees the one or the other."""

import ctypes
import errno
import os
from pathlib import Path
from typing import Final

from headrace_consumers.versions.files.disk import fsync_folder

__all__ = ["exchange"]

_HERE: Final = -100  # AT_FDCWD
_EXCHANGE: Final = 2  # RENAME_EXCHANGE, linux/fs.h
_CANNOT: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.EOPNOTSUPP, errno.EPERM})


def exchange(first: Path, second: Path, aside: Path) -> None:
    """Give each folder the name of the other; both lie in one folder, whose entries are on disk then.

    Where the file system cannot do it at once, `second` has no folder for a moment: its old one is called `aside`
    then, so that a kill leaves a trace of it.

    Raises:
        OSError: the disk refuses.
    """
    if not _at_once(first, second):
        second.rename(aside)
        fsync_folder(second.parent)
        first.rename(second)
        aside.rename(first)
    fsync_folder(second.parent)


def _at_once(first: Path, second: Path) -> bool:
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # not every C library has it
        return False
    if rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(second))
