"""Where the registry's files lie: named bytes, written once but for signatures.

A store has four verbs, and names of parts that are no paths of their own (the registry checks them).
"""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from headrace_schemas.programs import MAX_PROGRAM_BYTES, ProgramError

__all__ = ["Blobs", "LocalBlobs"]

_MODE: Final = 0o600


class Blobs(Protocol):
    """Named bytes."""

    def put_once(self, name: str, data: bytes) -> bool:
        """Write bytes, whole or not at all, unless the name is taken; tell whether it was free.

        Raises:
            ProgramError: unreachable.
        """

    def put(self, name: str, data: bytes) -> None:
        """Write bytes, whole or not at all, in the place of what the name has.

        Raises:
            ProgramError: unreachable.
        """

    def get(self, name: str) -> bytes | None:
        """Return the bytes of a name, None where there are none; at most a little more than a program may have.

        Raises:
            ProgramError: unreachable.
        """

    def names(self, prefix: str) -> list[str]:
        """Return what stands directly below `prefix/`, without it, sorted.

        Raises:
            ProgramError: unreachable.
        """


class LocalBlobs:
    """Files below a folder.

    Args:
        root: the folder; made by the first write.
        mode: of the files.
    """

    def __init__(self, root: Path, mode: int = _MODE) -> None:
        self._root = root
        self._mode = mode

    def put_once(self, name: str, data: bytes) -> bool:
        """See Blobs; a link is what makes it one step, and an error leaves nothing behind."""
        return self._write(name, data, _linked)

    def put(self, name: str, data: bytes) -> None:
        """See Blobs."""
        self._write(name, data, _replaced)

    def _write(self, name: str, data: bytes, place: Callable[[Path, Path], bool]) -> bool:
        target = self._root / name
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, part = tempfile.mkstemp(dir=target.parent, prefix=".part-")
            made = Path(part)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                made.chmod(self._mode)
                if not place(made, target):
                    return False
            finally:
                made.unlink(missing_ok=True)
            _sync(target.parent)
        except OSError as error:
            raise ProgramError("unreachable", f"{target}: cannot be written ({error.strerror})") from error
        return True

    def get(self, name: str) -> bytes | None:
        """See Blobs."""
        try:
            with (self._root / name).open("rb") as file:
                return file.read(MAX_PROGRAM_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ProgramError("unreachable", f"{self._root / name}: cannot be read ({error.strerror})") from error

    def names(self, prefix: str) -> list[str]:
        """See Blobs."""
        try:
            return sorted(each.name for each in (self._root / prefix).iterdir() if not each.name.startswith(".part-"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise ProgramError("unreachable", f"{self._root / prefix}: cannot be read ({error.strerror})") from error


def _linked(made: Path, target: Path) -> bool:
    try:
        target.hardlink_to(made)
    except FileExistsError:
        return False
    return True


def _replaced(made: Path, target: Path) -> bool:
    made.replace(target)
    return True


def _sync(folder: Path) -> None:
    """Make a folder's entries last; some file systems know no such thing."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
