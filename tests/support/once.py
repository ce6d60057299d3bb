"""Filling a folder once, however many runs begin at the same time, and never leaving half of it."""

import fcntl
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["filled_once"]


def filled_once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Return `folder`, filled by `fill` unless it is there already.

    `fill` gets an empty folder beside it, which takes the name when it is complete. Others wait meanwhile; the kernel
    lets go of the lock of a run that was killed.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        for left in folder.parent.glob(folder.name + ".part-*"):
            shutil.rmtree(left)
        part = Path(tempfile.mkdtemp(prefix=folder.name + ".part-", dir=folder.parent))
        try:
            fill(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder
