"""A version is there whole or not at all: built in a folder that nobody reads, then renamed, then `latest` is switched.

    <signature>/.building-<random>/    locked by its maker for as long as that lives; the next cut removes a dead one's
    <signature>/v<N>                   one rename; N is one more than there ever was
    <signature>/latest                 one rename
    <signature>/.lock                  held for the moments of beginning and publishing
    <signature>/.highest               the largest number ever taken, so that a deleted version's is not taken again

Killed anywhere it leaves at most a folder to remove and a number that is skipped.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

from headrace.datasets.place import deleted_in
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files.disk import FILE_MODE, fsync_folder, make_folder, write_over
from headrace_consumers.versions.files.refused import refused
from headrace_consumers.versions.shelf.lock import LOCK, holding
from headrace_schemas.dataset_files import LATEST, version_name, version_number

__all__ = ["BUILDING", "HIGHEST", "CutStep", "Hook", "Workplace", "no_hook", "remove_dead", "workplace"]

BUILDING: Final = ".building-"
HIGHEST: Final = ".highest"
WORK: Final = ".work"
_TRIES: Final = 1000


class CutStep(StrEnum):
    """What a cut goes through at the disk; killed anywhere, there is no half version, and the next cut works."""

    BUILD = "cut-build"
    NUMBER = "cut-number"
    MANIFEST = "cut-manifest"
    RENAME = "cut-rename"
    LATEST = "cut-latest"


Hook: TypeAlias = Callable[[str], None]
"""Called with ``before:<step>`` and ``after:<step>``; tests kill the process there."""


def no_hook(point: str) -> None:
    """Do nothing; what production runs with."""
    del point


class Workplace:
    """A folder in which a version is built.

    Args:
        signature_folder: where the version is to be.
        folder: the private one.
        lock: the descriptor that says that its maker lives.
        hook: see Hook.

    Attributes:
        folder: for the version's files.
        work: for whatever is needed meanwhile; gone when the version is published.
    """

    def __init__(self, signature_folder: Path, folder: Path, lock: int, hook: Hook) -> None:
        self._signature_folder = signature_folder
        self._lock = lock
        self._hook = hook
        self.folder: Final = folder
        self.work: Final = folder / WORK

    def publish(self, complete: Callable[[Path, int], None], *, is_latest: bool = True) -> int:
        """Make the folder the next version, and `latest` point to it; return its number.

        Args:
            complete: given the folder and the number, writes the files that carry the number (over those of an earlier
                try).
            is_latest: whether `latest` is switched.

        Raises:
            VersionsError: the disk refused; there is no such version.
        """
        try:
            shutil.rmtree(self.work, ignore_errors=True)
            self._at(CutStep.BUILD, lambda: fsync_folder(self.folder))
            with holding(self._signature_folder):
                return self._publish(complete, is_latest=is_latest)
        except OSError as error:
            raise refused(self._signature_folder, "cannot publish a version", error, self.folder) from error

    def _publish(self, complete: Callable[[Path, int], None], *, is_latest: bool) -> int:
        for number in range(highest(self._signature_folder) + 1, highest(self._signature_folder) + 1 + _TRIES):
            written = f"{number}\n".encode()
            self._at(CutStep.NUMBER, lambda: write_over(self._signature_folder / HIGHEST, written))  # noqa: B023
            self._at(CutStep.MANIFEST, lambda: complete(self.folder, number))  # noqa: B023
            with contextlib.suppress(FileNotFoundError):
                (self.folder / LOCK).unlink()  # whoever tidies up waits for the signature's lock
            fsync_folder(self.folder)
            try:
                self._at(CutStep.RENAME, lambda: self._rename(number))  # noqa: B023
            except (FileExistsError, NotADirectoryError, OSError) as error:
                if not (self._signature_folder / version_name(number)).exists():
                    raise
                del error  # somebody without our lock was there first: the next number
                continue
            if is_latest:
                name = f"{version_name(number)}\n".encode()
                self._at(CutStep.LATEST, lambda: write_over(self._signature_folder / LATEST, name))  # noqa: B023
            return number
        raise VersionsError(f"{self._signature_folder}: a thousand numbers are taken; look what writes there")

    def _rename(self, number: int) -> None:
        target = self._signature_folder / version_name(number)
        if target.exists():  # rename would replace an empty folder
            raise FileExistsError(target)
        self.folder.rename(target)
        fsync_folder(self._signature_folder)

    def _at(self, step: CutStep, work: Callable[[], object]) -> None:
        self._hook(f"before:{step}")
        work()
        self._hook(f"after:{step}")


@contextmanager
def workplace(signature_folder: Path, hook: Hook = no_hook) -> Iterator[Workplace]:
    """Yield a folder to build a version in; what is not published is removed, and so is what dead ones left.

    Raises:
        VersionsError: nothing can be written there, or something inside ended with an OSError: no room, say.
    """
    try:
        make_folder(signature_folder)
        with holding(signature_folder):
            remove_dead(signature_folder)
            folder = signature_folder / f"{BUILDING}{secrets.token_hex(8)}"
            folder.mkdir(mode=0o700)
            lock = os.open(folder / LOCK, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
            fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / WORK).mkdir(mode=0o700)
    except OSError as error:
        raise refused(signature_folder, "cannot be written to", error, otherwise="; check versions.path") from error
    try:
        yield Workplace(signature_folder, folder, lock, hook)
    except OSError as error:
        raise refused(signature_folder, "a version cannot be made", error, folder) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def highest(signature_folder: Path) -> int:
    """Return the largest number that any version ever had; 0: there was none. OSError passes through."""
    names = [version_number(path.name) or 0 for path in signature_folder.iterdir()]
    names += [number for number in deleted_in(signature_folder) if number is not None]
    with contextlib.suppress(FileNotFoundError, ValueError):
        names.append(int((signature_folder / HIGHEST).read_text()))
    return max(names, default=0)


def remove_dead(signature_folder: Path) -> None:
    """Remove what makers that are dead have left; the signature's lock is held."""
    for folder in signature_folder.glob(f"{BUILDING}*"):
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:  # it died while it published or began, for else it had the signature's lock
            shutil.rmtree(folder, ignore_errors=True)
            continue
        except NotADirectoryError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
