"""Records as JSON Lines in a file, for services without Kafka: the document's `logs/dspy_production.jsonl`.

A line holds the interaction's fields, with input, output and attributes as objects. Written whole, in one write.
"""

import contextlib
import datetime as dt
import errno
import gzip
import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from headrace.config import Config
from headrace.delivery.sinks.protocol import Done
from headrace_schemas import Interaction

__all__ = ["JsonlSink"]

logger = logging.getLogger("headrace")

_NESTED: Final = ("input", "output", "attributes")
_LOG_EVERY_S: Final = 60.0
_DAY_S: Final = 86_400.0


class JsonlSink:
    """Appends to telemetry.log_file_path and rotates it.

    Args:
        config: the configuration.
        time_s: Unix time in seconds.
    """

    def __init__(self, config: Config, *, time_s: Callable[[], float] = time.time) -> None:
        self._path = Path(config.telemetry.log_file_path)
        self._rotation = config.telemetry.rotation
        self._time_s = time_s
        self._descriptor: int | None = None
        self._told_at = -_LOG_EVERY_S

    def send(self, record: Interaction, done: Done) -> None:
        """See `Sink.send`."""
        line = (json.dumps(_nested(record), ensure_ascii=False) + "\n").encode()
        try:
            descriptor = self._open()
            if os.fstat(descriptor).st_size + len(line) > self._rotation.max_size_mb * 1e6:
                self._rotate()
                descriptor = self._open()
            _write_whole(descriptor, line)
        except OSError as error:
            self._tell(error)
            self.close()
            done(f"log_{errno.errorcode.get(error.errno or 0, 'EIO')}")
        else:
            done(None)

    def poll(self) -> None:
        """See `Sink.poll`. A line is written when it is sent."""

    def flush(self, timeout_s: float) -> None:
        """See `Sink.flush`."""

    def close(self) -> None:
        """See `Sink.close`."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._descriptor

    def _rotate(self) -> None:
        if not self._path.stat().st_size:
            return  # one line larger than the limit: a file of its own would not help
        self.close()
        at = dt.datetime.fromtimestamp(self._time_s(), dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        stem = f"{self._path.stem}.{at}-{os.getpid()}"
        number = 0
        while (rotated := self._path.with_name(f"{stem}{f'-{number}' if number else ''}.jsonl")).exists() or (
            rotated.with_name(rotated.name + ".gz").exists()
        ):
            number += 1
        self._path.rename(rotated)
        if self._rotation.compression == "gzip":
            packed = rotated.with_name(rotated.name + ".gz")
            with rotated.open("rb") as plain, gzip.open(packed, "wb") as archive:
                shutil.copyfileobj(plain, archive)
            packed.chmod(0o600)
            rotated.unlink()
        self._delete_old()

    def _delete_old(self) -> None:
        oldest = self._time_s() - self._rotation.max_age_days * _DAY_S
        for path in self._path.parent.glob(f"{self._path.stem}.*.jsonl*"):
            with contextlib.suppress(OSError):  # another process may have been first
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def _tell(self, error: OSError) -> None:
        now = self._time_s()
        if now - self._told_at >= _LOG_EVERY_S:
            self._told_at = now
            logger.warning(
                "%s: cannot write the log (%s); the records are counted as dropped", self._path, error.strerror
            )


def _write_whole(descriptor: int, line: bytes) -> None:
    if os.write(descriptor, line) < len(line):  # a full disk takes a part: end the torn line, the next one is whole
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\n")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _nested(record: Interaction) -> dict[str, object]:
    return {name: json.loads(str(value)) if name in _NESTED else value for name, value in record.items()}
