"""A file of JSON Lines that processes append to and that a cut reads the first so many bytes of, again and again.

    append    under a lock; what a crash tore at the end gets its newline first, so that it spoils no line after it
    read      the whole lines among the first N bytes, with N and their SHA-256: what a replay asks for again

Bytes that are there are not changed, so a hash of a beginning stays true, until an erasure takes a line out.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files.disk import FILE_MODE, fsync_folder, make_folder, write_over
from headrace_schemas import canonical
from headrace_schemas.errors import CanonicalizationError

__all__ = ["Appended", "append", "change", "read", "rewrite"]


@dataclass(frozen=True, slots=True)
class Appended:
    """A beginning of the file.

    Attributes:
        lines: that are JSON objects, each with its number in the file, from 1.
        torn: the numbers of the lines that are none: most likely a crash tore them.
        size_bytes: of the beginning, up to the end of its last whole line.
        sha256: of these bytes, 64 hex digits.
    """

    lines: list[tuple[int, dict[str, Any]]]
    torn: list[int]
    size_bytes: int
    sha256: str


def append(path: Path, lines: Iterable[Mapping[str, Any]]) -> int:
    """Append objects, a line each of canonical JSON, and return how many once they are on disk.

    Raises:
        VersionsError: the file cannot be written; what was written of the lines is told apart by `read`.
        CanonicalizationError: a value is no JSON; nothing was written.
    """
    encoded = [canonical.dumps(line) + b"\n" for line in lines]
    if not encoded:
        return 0
    try:
        make_folder(path.parent)
        is_there = path.exists()
        with _locked(path) as descriptor:
            size = os.fstat(descriptor).st_size
            is_whole = size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"
            _write_all(descriptor, b"".join([*([] if is_whole else [b"\n"]), *encoded]))
            os.fsync(descriptor)
        if not is_there:
            fsync_folder(path.parent)
    except OSError as error:
        raise VersionsError(f"{path}: cannot be appended to ({error.strerror})") from error
    return len(encoded)


def rewrite(path: Path, is_kept: Callable[[dict[str, Any]], bool]) -> int:
    """Take lines out, as an erasure must, and return how many; others stay as they are, byte by byte.

    Raises:
        VersionsError: the file cannot be written; it is as before.
    """
    return change(path, lambda value: value if is_kept(value) else None)


def change(path: Path, changed: Callable[[dict[str, Any]], dict[str, Any] | None]) -> int:
    """Take lines out or put others in their place, and return how many; the rest stay as they are, byte by byte.

    Args:
        path: the file.
        changed: given a line, returns that very object, another one, or None: it goes.

    Raises:
        VersionsError: the file cannot be written; it is as before.
    """
    try:
        with _locked(path):
            lines = path.read_bytes().splitlines(keepends=True)
            after = [_changed(line, changed) for line in lines]
            if after != lines:
                write_over(path, b"".join(after))
            return sum(1 for before, now in zip(lines, after, strict=True) if before != now)
    except OSError as error:
        raise VersionsError(f"{path}: cannot be rewritten ({error.strerror})") from error


def read(path: Path, size_bytes: int | None = None) -> Appended:
    """Return the whole lines of a beginning of the file; a file that is not there is empty.

    Args:
        path: the file.
        size_bytes: the beginning, as an earlier `read` told it; None: up to the last line that is whole now.

    Raises:
        VersionsError: it cannot be read, or is shorter than that.
    """
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise VersionsError(f"{path}: cannot be read ({error.strerror})") from error
    if size_bytes is None:
        content = content[: content.rfind(b"\n") + 1]
    elif len(content) < size_bytes:
        raise VersionsError(f"{path}: has {len(content)} bytes where {size_bytes} were read before; it was changed")
    else:
        content = content[:size_bytes]
    lines: list[tuple[int, dict[str, Any]]] = []
    torn = []
    for number, text in enumerate(content.split(b"\n")[:-1], 1):
        value = _object(text)
        if value is not None:
            lines.append((number, value))
        elif text.strip():
            torn.append(number)
    return Appended(lines, torn, len(content), hashlib.sha256(content).hexdigest())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Yield the file, locked: the one that has the path, for it may have been replaced meanwhile."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _changed(line: bytes, changed: Callable[[dict[str, Any]], dict[str, Any] | None]) -> bytes:
    value = _object(line)
    after = value if value is None else changed(value)
    if after is value:
        return line
    return b"" if after is None else canonical.dumps(after) + b"\n"


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = canonical.loads(text)
    except CanonicalizationError:
        return None
    return value if isinstance(value, dict) else None


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
