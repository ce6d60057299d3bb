"""One process at a time works on a run, and one run at a time on a signature.

The lock is the kernel's, so it goes with its holder; the worker inherits it, so that a run that was killed is not
begun again while its worker still ends.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from headrace_consumers.cycle.errors import RunBusyError
from headrace_consumers.versions.files.disk import FILE_MODE, make_folder

__all__ = ["held", "held_signature"]

_LOCK: Final = ".lock"


@contextmanager
def held_signature(folder: Path) -> Iterator[None]:
    """Hold the lock of a signature, beside the folder of its versions: two runs would cut and number over each other.

    OSError passes through.

    Raises:
        RunBusyError: another run works on it.
    """
    make_folder(folder.parent)
    told = f"{folder.name}: another run of the cycle works on it"
    with _locked(folder.with_name(f".{folder.name}.cycle.lock"), told, "; start this one again when it has ended"):
        yield


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Hold the lock of a run's folder; yield its descriptor, for the worker to inherit. OSError passes through.

    Where the process that had it is dead, and only its worker is still ending, this waits for that.

    Raises:
        RunBusyError: a living process has it.
    """
    told = f"{folder}: another process works on this run"
    with _locked(folder / _LOCK, told, "; wait until it has ended, or give another --output-dir") as descriptor:
        yield descriptor


@contextmanager
def _locked(path: Path, told: str, advice: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if (holder := _holder(descriptor)) is None or not _is_dead(holder):
                who = "" if holder is None else f" (process {holder.get('pid')} on {holder.get('host')})"
                raise RunBusyError(f"{told}{who}{advice}") from None
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> dict[str, Any] | None:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _is_dead(holder: dict[str, Any]) -> bool:
    if holder.get("host") != socket.gethostname() or not isinstance(holder.get("pid"), int):
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
