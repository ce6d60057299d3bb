"""Records as JSON Lines in a file, for services without Kafka: the document's `logs/dspy_production.jsonl`.

A line holds the interaction's fields, with input, output and attributes as objects. It is written whole, in one write.
Several processes may append to one file and rotate it: each write holds the file's lock, and goes to the file that has
the name then.
"""

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from headrace.config import Config
from headrace.config.telemetry import Rotation
from headrace.delivery.complaints import Complaints
from headrace.delivery.outgoing import Kind, Outgoing
from headrace.delivery.sinks.immediate import Immediate
from headrace.delivery.sinks.protocol import Done
from headrace.delivery.sinks.rotation import rotated_name, tidy

__all__ = ["JsonlSink"]

_NESTED: Final = frozenset({"input", "output", "attributes", "correction"})
_DAY_S: Final = 86_400.0
_TRIES: Final = 100
"""How often a file may be rotated away between opening and locking it before that is an error."""


class JsonlSink(Immediate):
    """Appends interactions to telemetry.log_file_path, other kinds to ``<stem>.<kind>.jsonl`` beside it; rotates them.

    Args:
        config: the configuration.
        time_s: Unix time in seconds.
        clock: seconds, monotonic.
    """

    def __init__(
        self, config: Config, *, time_s: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = Path(config.telemetry.log_file_path).absolute()  # the process may go to another folder
        self._new_log: Callable[[Path], JsonlLog] = lambda path: JsonlLog(
            path, config.telemetry.rotation, time_s=time_s, clock=clock
        )
        self._logs: dict[Kind, JsonlLog] = {}

    def send(self, outgoing: Outgoing, done: Done) -> bool:
        """See `Sink.send`."""
        log = self._logs.get(outgoing.kind)
        if log is None:
            path = self._path
            if outgoing.kind != "interaction":
                path = path.with_name(f"{path.stem}.{outgoing.kind}.jsonl")
            log = self._logs[outgoing.kind] = self._new_log(path)
        done(log.append(outgoing.record))
        return True

    def close(self, timeout_s: float) -> None:
        """See `Sink.close`."""
        del timeout_s
        for log in self._logs.values():
            log.close()

    def abandon(self) -> None:
        """See `Sink.abandon`. Closing a copy of a descriptor leaves the lock to the parent."""
        self.close(0)


class JsonlLog:
    """One log file and its rotated predecessors.

    Args:
        path: the file; its folder is made with the first line.
        rotation: when it is rotated.
        time_s: Unix time in seconds.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        path: Path,
        rotation: Rotation,
        *,
        time_s: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._rotation = rotation
        self._max_bytes = rotation.max_size_mb * 1e6
        self._time_s = time_s
        self._clock = clock
        self._complaints = Complaints(clock)
        self._descriptor: int | None = None
        self._tidied_s = float("-inf")

    def append(self, record: Mapping[str, Any]) -> str | None:
        """Append a record as one line; return None when it is in the file, else why it is lost."""
        try:
            line = _line(record)
        except (TypeError, ValueError) as error:
            self._complaints.warn("encode", "headrace: a record is no JSON (%s) and is lost", type(error).__name__)
            return "encode_failed"
        try:
            self._append(line)
        except OSError as error:
            self._complaints.warn(
                "write", "%s: cannot write the log (%s); records are counted as dropped", self._path, error.strerror
            )
            self.close()
            return f"log_{errno.errorcode.get(error.errno or errno.EIO, 'EIO')}"
        return None

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)  # and with it the lock

    def _append(self, line: bytes) -> None:
        descriptor, size = self._locked()
        try:
            if size and size + len(line) > self._max_bytes and self._rename():
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                self.close()
                descriptor, size = self._locked()
                self._tidied_s = float("-inf")
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line  # a full disk or a kill tore the last line; this one is whole
            written = os.write(descriptor, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            if self._descriptor is not None:
                _unlock(self._descriptor)
        self._tidy()

    def _locked(self) -> tuple[int, int]:
        """Return the log's descriptor, locked, and its size; 0 for what is no regular file and is never rotated."""
        for _ in range(_TRIES):
            if self._descriptor is None:
                self._descriptor = self._open()
            descriptor = self._descriptor
            opened = os.fstat(descriptor)
            if not stat.S_ISREG(opened.st_mode):
                return descriptor, 0
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                if os.path.samestat(opened, self._path.stat()):
                    return descriptor, os.fstat(descriptor).st_size
            except FileNotFoundError:
                pass
            self.close()  # rotated by another process, or removed: the name is another file's now
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _rename(self) -> bool:
        try:
            self._path.rename(rotated_name(self._path, self._time_s(), os.getpid()))
        except OSError as error:
            self._complaints.warn("rename", "%s: cannot rotate the log (%s); it grows on", self._path, error.strerror)
            return False
        return True

    def _tidy(self) -> None:
        """Tidy after each rotation, and once a day for the logs that grow too old meanwhile."""
        now_s = self._clock()  # the host's clock may be set back by years
        if now_s - self._tidied_s < _DAY_S:
            return
        self._tidied_s = now_s
        try:
            tidy(self._path, self._rotation, self._time_s())
        except OSError as error:
            self._complaints.warn("tidy", "%s: cannot compress or delete rotated logs (%s)", self._path, error.strerror)


def _unlock(descriptor: int) -> None:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _line(record: Mapping[str, Any]) -> bytes:
    """Return a record as one line. Its canonical JSON goes in as it is, so that tags and numbers stay what they were.

    Raises:
        TypeError, ValueError: a value that JSON or UTF-8 cannot hold.
    """
    members = (f"{json.dumps(name)}: {_text(name, value)}" for name, value in record.items())
    return ("{" + ", ".join(members) + "}\n").encode()


def _text(name: str, value: Any) -> str:
    is_json = name in _NESTED and value is not None
    return str(value) if is_json else json.dumps(value, ensure_ascii=False, allow_nan=False)
