"""`latest` names another version: readers see the one or the other."""

import json
from pathlib import Path
from typing import Any

from headrace.datasets.place import deleted_in, versions_in
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files.disk import write_over
from headrace_consumers.versions.shelf.deleting import Hook, finish_deleting, there_are
from headrace_consumers.versions.shelf.fitness import may_be_latest
from headrace_consumers.versions.shelf.listing import Latest, latest_of
from headrace_consumers.versions.shelf.lock import locked
from headrace_schemas.dataset_files import LATEST, version_name, version_number
from headrace_schemas.dataset_manifest import MANIFEST

__all__ = ["rollback"]


def rollback(folder: Path, number: int | None, *, hook: Hook = lambda _: None) -> tuple[Latest, str]:
    """Make a version the latest, and return what was and what is.

    Args:
        folder: of the signature.
        number: of the version; None: of those that may be `latest` unasked the one before what it names, be that there
            or not; where nothing is before one that is not there, the highest.
        hook: called between the steps.

    Raises:
        VersionsError: there is no such version, or the disk refuses.
    """
    with locked(folder):
        finish_deleting(folder)
        numbers, before = versions_in(folder), latest_of(folder)
        if number is None:
            named = version_number(before.name or "")
            candidates = [each for each in numbers if _may_be_latest(folder / version_name(each) / MANIFEST)]
            lower = [each for each in candidates if named is None or each < named]
            number = max(lower or (candidates if before.is_dangling else []), default=None)
            if number is None:
                what = "no other version" if candidates else "no version"
                named_one = "; name one to take it all the same" if set(numbers).difference(candidates) else ""
                raise VersionsError(
                    f"{folder}: {what} to go back to before {before.name or 'the first'}{there_are(numbers)}{named_one}"
                )
        elif number not in numbers:
            gone = "was deleted" if number in deleted_in(folder) else "no such version"
            raise VersionsError(f"{folder / version_name(number)}: {gone}{there_are(numbers)}")
        hook("before:latest")
        write_over(folder / LATEST, f"{version_name(number)}\n".encode())
        hook("after:latest")
    return before, version_name(number)


def _may_be_latest(manifest: Path) -> bool:
    """Tell whether a version may become `latest` unasked; one that cannot be read is not known to be another's."""
    try:
        found: Any = json.loads(manifest.read_bytes())
    except (OSError, ValueError):
        return True
    return not isinstance(found, dict) or may_be_latest(found)
