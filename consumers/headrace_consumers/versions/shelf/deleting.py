"""A version taken away: tombstone -> the folder under another name -> its files.

With the tombstone the version is gone for every reader; killed after it, the next rollback or delete does the rest. Its
number is not used again.
"""

import secrets
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from headrace.datasets.place import Version, deleted_in, latest_in, versions_in
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files.disk import fsync_folder, make_folder, write_over
from headrace_consumers.versions.shelf.listing import sha256_of, shelved
from headrace_consumers.versions.shelf.lock import locked
from headrace_consumers.versions.shelf.uses import uses
from headrace_schemas import canonical
from headrace_schemas.dataset_files import DELETED_FOLDER, signature_of, version_name
from headrace_schemas.dataset_manifest import MANIFEST, Metadata

__all__ = ["Hook", "delete", "finish_deleting", "there_are"]

Hook: TypeAlias = Callable[[str], None]
"""Called between the steps; tests kill the process there."""

_GOING: Final = ".deleting-"


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
        finish_deleting(folder)
        numbers = versions_in(folder)
        if number not in numbers:
            gone = "was deleted already" if number in deleted_in(folder) else "no such version"
            raise VersionsError(f"{folder / name}: {gone}{there_are(numbers)}")
        if latest_in(folder) == name:
            raise VersionsError(
                f"{folder / name}: is the latest; make another one the latest first: "
                f"headrace versions rollback --signature {shlex.quote(signature_of(folder.name))}"
            )
        for used in uses(folder):
            if used.version in (name, None):
                raise VersionsError(
                    f"{folder / name}: is in use by {used.what}; end that first, or remove {used.path} if it has ended"
                )
        found = shelved(Version(signature_of(folder.name), name, folder / name))
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
        finish_deleting(folder, hook)
    return found.metadata


def finish_deleting(folder: Path, hook: Hook = lambda _: None) -> None:
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


def there_are(numbers: list[int]) -> str:
    """Return the end of a message that names the versions that are there, if any are."""
    return f"; there are {', '.join(map(version_name, numbers[-10:]))}" if numbers else ""


def _sha256_or_none(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None
