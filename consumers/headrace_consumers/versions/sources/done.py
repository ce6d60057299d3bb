"""Which commits were asked about, so that a command that was stopped goes on: also those that gave nothing.

    answer -> pool, on disk -> the commit is done, on disk

Killed in between, the pool itself tells that the commit was done; killed before, its question is asked again.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from headrace.errors import HeadraceError
from headrace_consumers.versions.files import appended
from headrace_consumers.versions.files.disk import FILE_MODE, make_folder
from headrace_schemas.dataset_files import SourceLine

__all__ = ["CommitsDone", "SourceBusyError", "alone"]


class SourceBusyError(HeadraceError):
    """Another process makes examples of the same source."""


class CommitsDone:
    """The commits of a signature that need not be asked about again.

    Args:
        path: a file beside the pool; one that is missing is empty.
        pool: the examples that are there.
        again: leave out those that gave nothing: they are asked about again.

    Raises:
        VersionsError: the file cannot be read.
    """

    def __init__(self, path: Path, pool: Iterable[SourceLine], *, again: bool = False) -> None:
        self._path: Final = path
        told = (line for _, line in appended.read(path).lines)
        self._ids = {line["commit"] for line in told if "commit" in line and not (again and not line.get("examples"))}
        self._ids.update(line["metadata"]["commit"] for line in pool if "commit" in line["metadata"])

    def __contains__(self, commit_id: str) -> bool:
        return commit_id in self._ids

    def add(self, commit_id: str, examples: int, reason: str | None) -> None:
        """Note a commit, with how many examples it gave, and why none.

        Raises:
            VersionsError: the file cannot be written.
        """
        appended.append(self._path, [{"commit": commit_id, "examples": examples, "reason": reason}])
        self._ids.add(commit_id)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file inside the block.

    Raises:
        SourceBusyError: another process has it.
        OSError: it cannot be made.
    """
    make_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SourceBusyError(
                f"{path.parent}: another process makes such examples; wait until it has ended"
            ) from None
        yield
    finally:
        os.close(descriptor)
