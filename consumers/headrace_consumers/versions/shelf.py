"""The versions of a signature on their shelf: what there is, which is the latest, and taking one away.

    rollback    `latest` names another version; readers see the one or the other
    delete      tombstone -> the folder under another name -> its files. With the tombstone the version is gone for
                every reader; killed after it, the next rollback or delete does the rest. Its number is not used again.

Whoever switches `latest`, deletes a version or puts another folder in its place holds the lock of the signature.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from headrace.datasets.place import Version, deleted_in, latest_in, versions_in
from headrace.errors import DatasetError
from headrace_consumers.versions.disk import FILE_MODE, fsync_folder, make_folder, write_over
from headrace_consumers.versions.errors import VersionsError
from headrace_schemas import canonical
from headrace_schemas.dataset_files import (
    DELETED_FOLDER,
    LATEST,
    PRODUCTION,
    USED_BY_FOLDER,
    signature_of,
    version_name,
    version_number,
)
from headrace_schemas.dataset_manifest import MANIFEST, METADATA, Manifest, Metadata

__all__ = [
    "Hook",
    "Latest",
    "Shelved",
    "Used",
    "changed_files",
    "delete",
    "latest_of",
    "locked",
    "rollback",
    "shelf",
    "uses",
]

Hook: TypeAlias = Callable[[str], None]
"""Called between the steps; tests kill the process there."""

_LOCK: Final = ".lock"
_GOING: Final = ".deleting-"
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Shelved:
    """A version on the shelf.

    Attributes:
        version: which.
        metadata: its figures; None where they cannot be read.
        manifest: None where it cannot be read.
        damage: why not, in one line.
        size_bytes: of its files.
    """

    version: Version
    metadata: Metadata | None
    manifest: Manifest | None
    damage: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Latest:
    """What `latest` says.

    Attributes:
        name: the version that it names; None: there is no such file.
        is_dangling: whether that version is not there.
    """

    name: str | None
    is_dangling: bool


@dataclass(frozen=True, slots=True)
class Used:
    """Somebody uses a version.

    Attributes:
        version: its name; None where the marker cannot be read: then it may be any.
        what: a run, a rollout.
        path: the marker.
    """

    version: str | None
    what: str
    path: Path


def shelf(folder: Path) -> list[Shelved]:
    """Return the versions of a signature, the oldest first.

    Args:
        folder: of the signature.

    Raises:
        VersionsError: it cannot be read.
    """
    try:
        names = [version_name(number) for number in versions_in(folder)]
        return [_shelved(Version(signature_of(folder.name), name, folder / name)) for name in names]
    except OSError as error:
        raise VersionsError(f"{error.filename or folder}: cannot be read ({error.strerror})") from error


def latest_of(folder: Path) -> Latest:
    """Return what `latest` of a signature says.

    Raises:
        DatasetError: it cannot be read.
    """
    name = latest_in(folder)
    return Latest(name, name is not None and version_number(name) not in versions_in(folder))


def changed_files(version: Version) -> list[str]:
    """Return what is wrong with a version's files by its manifest, a line each; none: nothing.

    Raises:
        DatasetError: the manifest cannot be read.
    """
    wrong = []
    for name, facts in version.manifest()["files"].items():
        try:
            if _sha256(version.path / name) != facts["sha256"]:
                wrong.append(f"{name}: is not the file that the manifest names, somebody changed it")
        except OSError as error:
            wrong.append(f"{name}: cannot be read ({error.strerror})")
    return wrong


def rollback(folder: Path, number: int | None, *, hook: Hook = lambda _: None) -> tuple[Latest, str]:
    """Make a version the latest, and return what was and what is.

    Args:
        folder: of the signature.
        number: of the version; None: of those of production the one before what `latest` names, be that there or not;
            where nothing is before one that is not there, the highest.
        hook: called between the steps.

    Raises:
        VersionsError: there is no such version, or the disk refuses.
    """
    with locked(folder):
        _finish(folder)
        numbers, before = versions_in(folder), latest_of(folder)
        if number is None:
            named = version_number(before.name or "")
            numbers = [each for each in numbers if _is_of_production(folder / version_name(each) / MANIFEST)]
            lower = [each for each in numbers if named is None or each < named]
            number = max(lower or (numbers if before.is_dangling else []), default=None)
            if number is None:
                what = "no other version" if numbers else "no version"
                raise VersionsError(
                    f"{folder}: {what} to go back to before {before.name or 'the first'}{_has(numbers)}"
                )
        elif number not in numbers:
            gone = "was deleted" if number in deleted_in(folder) else "no such version"
            raise VersionsError(f"{folder / version_name(number)}: {gone}{_has(numbers)}")
        hook("before:latest")
        write_over(folder / LATEST, f"{version_name(number)}\n".encode())
        hook("after:latest")
    return before, version_name(number)


def delete(
    folder: Path, number: int, *, who: str, why: str, timestamp_ms: int, hook: Hook = lambda _: None
) -> Metadata | None:
    """Delete a version, and return what its figures were, where they could be read.

    Args:
        folder: of the signature.
        number: of the version.
        who: deletes it.
        why: the reason given.
        timestamp_ms: when, since the epoch.
        hook: called between the steps.

    Raises:
        VersionsError: there is no such version, it is in use, or the disk refuses.
    """
    name = version_name(number)
    with locked(folder):
        _finish(folder)
        numbers = versions_in(folder)
        if number not in numbers:
            gone = "was deleted already" if number in deleted_in(folder) else "no such version"
            raise VersionsError(f"{folder / name}: {gone}{_has(numbers)}")
        if latest_in(folder) == name:
            raise VersionsError(
                f"{folder / name}: is the latest; make another one the latest first: headrace versions rollback"
            )
        for used in uses(folder):
            if used.version in (name, None):
                raise VersionsError(
                    f"{folder / name}: is in use by {used.what}; end that first, or remove {used.path} if it has ended"
                )
        found = _shelved(Version(signature_of(folder.name), name, folder / name))
        tombstone = {
            "version": name,
            "who": who,
            "why": why,
            "timestamp_ms": timestamp_ms,
            "examples": None if found.metadata is None else found.metadata["examples"],
            "manifest_sha256": _sha256_or_none(folder / name / MANIFEST),
        }
        make_folder(folder / DELETED_FOLDER)
        hook("before:tombstone")
        write_over(folder / DELETED_FOLDER / f"{name}.json", canonical.dumps(tombstone) + b"\n")
        hook("after:tombstone")
        _finish(folder, hook)
    return found.metadata


def uses(folder: Path) -> list[Used]:
    """Return who uses versions of a signature, by the markers' names. OSError passes through."""
    markers = sorted((folder / USED_BY_FOLDER).glob("*.json"))
    return [_used(path) for path in markers]


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a signature's folder; another process waits.

    Raises:
        VersionsError: there is no such folder, or the disk refuses, also what is done inside.
    """
    try:
        descriptor = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)  # and with it the lock
    except FileNotFoundError as error:
        raise VersionsError(f"{error.filename or folder}: is not there; headrace versions ls shows what is") from error
    except OSError as error:
        raise VersionsError(f"{error.filename or folder}: {error.strerror}") from error


def _finish(folder: Path, hook: Hook = lambda _: None) -> None:
    """Take away the folders of versions that have a tombstone; the lock is held."""
    for number in deleted_in(folder):
        path = folder / version_name(number or 0)
        if path.exists():
            going = folder / f"{_GOING}{secrets.token_hex(8)}"
            path.rename(going)
            fsync_folder(folder)
            hook("after:rename")
    for going in folder.glob(f"{_GOING}*"):
        shutil.rmtree(going)
    hook("after:delete")


def _is_of_production(manifest: Path) -> bool:
    """Tell whether a version may become `latest` unasked; one that cannot be read is not known to be another's."""
    try:
        found: Any = json.loads(manifest.read_bytes())
    except (OSError, ValueError):
        return True
    return not isinstance(found, dict) or found.get("environment", PRODUCTION) == PRODUCTION


def _shelved(version: Version) -> Shelved:
    size_bytes = sum(each.stat().st_size for each in version.path.iterdir() if each.is_file())
    try:
        manifest = version.manifest()
        metadata = json.loads(version.content(METADATA))
    except (DatasetError, ValueError) as error:
        return Shelved(version, None, None, " ".join(str(error).split()), size_bytes)
    return Shelved(version, metadata, manifest, None, size_bytes)


def _used(path: Path) -> Used:
    try:
        found: Any = json.loads(path.read_bytes())
        version, what = found["version"], found["what"]
    except (OSError, ValueError, KeyError, TypeError):
        return Used(None, f"what {path.name} says, which cannot be read", path)
    return Used(str(version), " ".join(str(what).split()) or path.stem, path)


def _has(numbers: list[int]) -> str:
    return f"; there are {', '.join(map(version_name, numbers[-10:]))}" if numbers else ""


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _sha256_or_none(path: Path) -> str | None:
    try:
        return _sha256(path)
    except OSError:
        return None
