"""A source's examples on disk: lines of canonical JSON that are only ever appended.

    append: lock, look what is there, write the lines at once, fsync        read: the first N bytes and their SHA-256

A cut notes N and the hash, so that a replay reads the same. The last line may be torn by a kill or a power cut: it was
never acknowledged. A reader leaves it out and says so; the next append takes it away.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.errors import HeadraceError
from headrace_consumers.versions.sources.lines import identity, parsed, written
from headrace_schemas.dataset_files import SOURCES_FOLDER, Source, SourceLine, folder_name

__all__ = ["Pool", "PoolChangedError", "PoolContent", "PoolError", "SkippedLine", "pool_path", "read_pool"]

_FILE_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_TRIES: Final = 100
"""How often a file may be replaced between opening and locking it before that is an error."""


class PoolError(HeadraceError):
    """A pool cannot be read or written, as it should be."""


class PoolChangedError(PoolError):
    """A pool no longer begins with the bytes that a manifest says."""


@dataclass(frozen=True, slots=True)
class SkippedLine:
    """A line that is no example.

    Attributes:
        number: of the line, from 1.
        reason: why, in a few words that quote nothing of it.
    """

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class PoolContent:
    """What the first bytes of a pool hold.

    Attributes:
        lines: the examples, in the order in which they came.
        length_bytes: how many bytes were read: up to the end of the last whole line.
        sha256: of these bytes, in hex.
        skipped: whole lines that are no examples (somebody's edit).
        torn_bytes: what follows the last whole line and was left out.
    """

    lines: list[SourceLine]
    length_bytes: int
    sha256: str
    skipped: list[SkippedLine]
    torn_bytes: int


def pool_path(root: Path, signature: str, source: Source) -> Path:
    """Return where the examples of a source wait.

    Args:
        root: the folder of all versions.
        signature: the signature's name.
        source: its name.

    Raises:
        PoolError: the signature's name cannot name a folder.
    """
    try:
        folder = folder_name(signature)
    except ValueError as error:
        raise PoolError(f"--signature: {error}; give its class a shorter name") from None
    return root / folder / SOURCES_FOLDER / f"{source}.jsonl"


def read_pool(path: Path, *, length_bytes: int | None = None, sha256: str | None = None) -> PoolContent:
    """Return the examples of a pool; a file that is missing holds none.

    Args:
        path: see `pool_path`.
        length_bytes: read so many bytes, as a manifest has them; by default all whole lines.
        sha256: what their hash must be.

    Raises:
        PoolChangedError: it is shorter than that, or its bytes are others.
        PoolError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)  # an append that fails takes back what it wrote
            content = file.read() if length_bytes is None else file.read(length_bytes)
    except FileNotFoundError:
        content = b""
    except OSError as error:
        raise PoolError(f"{path}: cannot read it ({error.strerror})") from None
    if length_bytes is not None and len(content) < length_bytes:
        raise PoolChangedError(
            f"{path}: {len(content)} bytes, the manifest needs {length_bytes}; it was shortened since"
        )
    whole = content if length_bytes is not None else content[: content.rfind(b"\n") + 1]
    found = hashlib.sha256(whole).hexdigest()
    if sha256 is not None and found != sha256:
        raise PoolChangedError(
            f"{path}: its first {len(whole)} bytes are not those of the manifest; it was changed since"
        )
    lines: list[SourceLine] = []
    skipped: list[SkippedLine] = []
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            lines.append(parsed(line))
        except ValueError as error:
            skipped.append(SkippedLine(number, str(error)))
    return PoolContent(lines, len(whole), found, skipped, len(content) - len(whole))


class Pool:
    """A pool that is written to; any number of processes may have it open.

    Args:
        path: see `pool_path`; the folders are made with the first line.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self._known: set[bytes] = set()
        self._known_file: tuple[int, int] | None = None
        self._known_bytes = 0

    def append(self, lines: Iterable[SourceLine]) -> int:
        """Append the examples that are not there yet, and return how many; they are on disk then, all or none.

        Two examples are the same if their inputs and outputs are.

        Raises:
            PoolError: the pool cannot be written; it is as before.
            CanonicalizationError: a value that is no JSON; likewise.
        """
        encoded = [(identity(line), written(line)) for line in lines]
        if not encoded:
            return 0
        try:
            with self._locked() as descriptor:
                end_bytes = self._look(descriptor)
                fresh = {key: line for key, line in encoded if key not in self._known}
                if fresh:
                    _write(descriptor, b"".join(fresh.values()), end_bytes)
                    self._known.update(fresh)
                    self._known_bytes = os.fstat(descriptor).st_size
                return len(fresh)
        except OSError as error:
            raise PoolError(f"{self.path}: cannot append to it ({error.strerror}); nothing was added") from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        _make_private(self.path.parent)
        descriptor = self._open_locked()
        try:
            yield descriptor
        finally:
            os.close(descriptor)  # and with it the lock

    def _open_locked(self) -> int:
        for _ in range(_TRIES):
            is_new = not self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), self.path.stat()):
                    if is_new:
                        _fsync_folder(self.path.parent)
                    return descriptor
            os.close(descriptor)  # replaced or removed meanwhile
        raise PoolError(f"{self.path}: is replaced again and again by another process; nothing was added")

    def _look(self, descriptor: int) -> int:
        """Mend the end, learn what is there since the last look, and return the length in bytes."""
        status = os.fstat(descriptor)
        file = status.st_dev, status.st_ino
        if file != self._known_file or status.st_size < self._known_bytes:
            self._known, self._known_bytes, self._known_file = set(), 0, file
        at_bytes = self._known_bytes
        with os.fdopen(os.dup(descriptor), "rb") as reader:
            reader.seek(at_bytes)
            for line in reader:
                if not line.endswith(b"\n"):
                    _mend(descriptor, line, at_bytes)
                with contextlib.suppress(ValueError):  # the reader of the pool tells of it
                    self._known.add(identity(parsed(line)))
                at_bytes += len(line)
        self._known_bytes = os.fstat(descriptor).st_size
        return self._known_bytes


def _mend(descriptor: int, last: bytes, start_bytes: int) -> None:
    """End the last line, which somebody wrote by hand, or take it away where it is torn."""
    try:
        parsed(last)
    except ValueError:
        os.ftruncate(descriptor, start_bytes)
    else:
        os.write(descriptor, b"\n")


def _write(descriptor: int, content: bytes, end_bytes: int) -> None:
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, end_bytes)
        raise


def _make_private(folder: Path) -> None:
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        _fsync_folder(missing.parent)


def _fsync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
