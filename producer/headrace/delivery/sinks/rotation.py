"""Rotated logs: their names, their compression, their end.

    <stem>.<UTC yyyymmddThhmmssZ>-<pid>[-n].jsonl[.gz]

Only files with exactly such a name are touched. Several processes may tidy one folder at the same time, and any of them
may be killed while it compresses: the next one does it again.
"""

import contextlib
import datetime as dt
import fcntl
import gzip
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from headrace.config.telemetry import Rotation

__all__ = ["rotated_name", "tidy"]

_TIME: Final = "%Y%m%dT%H%M%SZ"
_DAY_S: Final = 86_400.0


def rotated_name(path: Path, now_s: float, pid: int) -> Path:
    """Return a free name for a log that is rotated now."""
    stem = f"{path.stem}.{dt.datetime.fromtimestamp(now_s, dt.UTC).strftime(_TIME)}-{pid}"
    number = 0
    while True:
        name = path.with_name(f"{stem}{f'-{number}' if number else ''}.jsonl")
        if not name.exists() and not _packed(name).exists():
            return name
        number += 1


def tidy(path: Path, rotation: Rotation, now_s: float) -> None:
    """Delete rotated logs of `path` that are older than rotation.max_age_days, and compress the others.

    Raises:
        OSError: the disk is full, say; the log itself is untouched.
    """
    oldest_s = now_s - rotation.max_age_days * _DAY_S
    for file, rotated_s in _rotated(path):
        if rotated_s < oldest_s:
            file.unlink(missing_ok=True)  # another process may be first
        elif rotation.compression == "gzip" and file.suffix != ".gz":
            _compress(file)


def _rotated(path: Path) -> Iterator[tuple[Path, float]]:
    """Yield each rotated log of `path` with its time of rotation, Unix time in seconds."""
    name = re.compile(re.escape(path.stem) + r"\.(\d{8}T\d{6}Z)-\d+(?:-\d+)?\.jsonl(?:\.gz)?")
    for file in sorted(path.parent.iterdir()):
        match = name.fullmatch(file.name)
        if match:
            with contextlib.suppress(ValueError):  # the 30th of February is not ours
                yield file, dt.datetime.strptime(match[1], _TIME).replace(tzinfo=dt.UTC).timestamp()


def _compress(file: Path) -> None:
    """Put `file` into a gzip archive, which takes its name when it is complete and on disk."""
    packed = _packed(file)
    part = packed.with_name(packed.name + ".part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as archive:
        try:
            fcntl.flock(archive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another process is at it
        try:
            plain = file.open("rb")
        except FileNotFoundError:  # ... or was
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(part.stat(), os.fstat(descriptor)):
                    part.unlink()
            return
        with plain:
            archive.truncate(0)
            # The lowest level is the fastest by far, and the worker does nothing else meanwhile.
            with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=archive) as compressed:
                shutil.copyfileobj(plain, compressed, 1 << 20)
        archive.flush()
        os.fsync(descriptor)
        part.rename(packed)
        file.unlink(missing_ok=True)  # two processes may have done the same, one after the other


def _packed(file: Path) -> Path:
    return file.with_name(file.name + ".gz")
