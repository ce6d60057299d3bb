"""Which commits were asked about, so that a command that was stopped goes on: also those that gave nothing.

    answer -> pool, on disk -> the commit is done, on disk
    an answer of no use     -> noted, on disk; the next run asks again, MOST_TRIES times in all

Killed in between, the pool itself tells that the commit was done; killed before, its question is asked again.
"""

import contextlib
import fcntl
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from headrace.errors import HeadraceError
from headrace_consumers.versions.files import appended
from headrace_consumers.versions.files.disk import FILE_MODE, make_folder
from headrace_schemas.dataset_files import SourceLine

__all__ = ["MOST_TRIES", "UNUSABLE", "CommitsDone", "SourceBusyError", "alone"]

MOST_TRIES: Final = 3
"""A commit whose answers are of no use so often is done: it may be the commit."""

UNUSABLE: Final = frozenset({"unreadable", "refused", "program_failed", "no_examples", "no example fits"})
"""Why an answer was of no use, where the question may not be to blame; one that there is no example in is an answer."""


class SourceBusyError(HeadraceError):
    """Another process makes examples of the same source."""


class CommitsDone:
    """The commits of a signature that need not be asked about again.

    Args:
        path: a file beside the pool; one that is missing is empty.
        pool: the examples that are there.
        again: leave out those that gave nothing: they are asked about again, as if they never had been.

    Raises:
        VersionsError: the file cannot be read.
    """

    def __init__(self, path: Path, pool: Iterable[SourceLine], *, again: bool = False) -> None:
        self._path: Final = path
        told = [line for _, line in appended.read(path).lines if "commit" in line]
        self._tries = Counter(line["commit"] for line in told if line.get("reason") in UNUSABLE)
        self._ids = {line["commit"] for line in told if line.get("examples") or not (again or _is_in_vain(line))}
        self._ids.update(commit for commit, tries in self._tries.items() if tries >= MOST_TRIES and not again)
        self._ids.update(line["metadata"]["commit"] for line in pool if "commit" in line["metadata"])

    def __contains__(self, commit_id: str) -> bool:
        return commit_id in self._ids

    def add(self, commit_id: str, examples: int, reason: str | None) -> None:
        """Note a commit, with how many examples it gave, and why none.

        Raises:
            VersionsError: the file cannot be written.
        """
        appended.append(self._path, [{"commit": commit_id, "examples": examples, "reason": reason}])
        if reason in UNUSABLE:
            self._tries[commit_id] += 1
        if reason not in UNUSABLE or self._tries[commit_id] >= MOST_TRIES:
            self._ids.add(commit_id)


def _is_in_vain(line: Mapping[str, Any]) -> bool:
    return line.get("reason") in UNUSABLE


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
