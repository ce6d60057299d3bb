"""Which example a person means: an id or a key, looked up in the versions of one environment.

A key is the same in every environment, its answers are not: what somebody saw of staging says nothing of production.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from headrace.datasets.place import Version, versions_in
from headrace.errors import UsageError
from headrace_consumers.versions.errors import VersionsError
from headrace_schemas import canonical
from headrace_schemas.dataset_files import PRODUCTION, signature_of, version_name
from headrace_schemas.dataset_manifest import environment_of

__all__ = ["find", "newest_first"]

_KEY: Final = re.compile(r"[0-9a-f]{8,64}")
_WHO_NAMES_THEM: Final = "headrace ui and the lines of a version name them"


def newest_first(folder: Path) -> list[Version]:
    """Return the versions of a signature's folder."""
    return [
        Version(signature_of(folder.name), version_name(number), folder / version_name(number))
        for number in reversed(versions_in(folder))
    ]


def find(
    folder: Path, ids: Sequence[str], version: Version | None = None, environment: str | None = None
) -> dict[str, dict[str, Any]]:
    """Return examples as a version has them, and the version's `environment`, by what was asked for.

    Args:
        folder: of the signature.
        ids: example ids or keys, or their beginnings of at least eight digits.
        version: where to look; None: in all of the environment, the newest first.
        environment: whose; None: that of the version, or production.

    Raises:
        UsageError: one names no example, or several; or the version is of another environment.
        VersionsError, DatasetError: a version cannot be read.
    """
    for id_ in ids:
        if not _KEY.fullmatch(id_):
            raise UsageError(f"{id_[:70]}: no example's id; expected 8 to 64 hex digits, as example_id has them")
    if version is not None:
        own = environment_of(version.manifest())
        if environment not in (None, own):
            raise UsageError(f"{version.path}: was cut of the calls of {own}, not of {environment}")
        found = _found([version], ids, own)
    else:
        own = PRODUCTION if environment is None else environment
        found = _found((each for each in newest_first(folder) if environment_of(each.manifest()) == own), ids, own)
    for id_ in ids:
        if id_ not in found:
            raise _missing(folder, id_, version, own)
    return found


def _found(versions: Iterable[Version], ids: Sequence[str], environment: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for each in versions:
        for id_, row in _rows(each, [id_ for id_ in ids if id_ not in found]):
            if found.setdefault(id_, {**row, "environment": environment})["key"] != row["key"]:
                raise UsageError(f"{id_}: begins several examples of {each.name}; give more digits")
    return found


def _missing(folder: Path, id_: str, version: Version | None, environment: str) -> UsageError:
    if version is not None:
        return UsageError(f"{id_}: no such example in {version.path}; {_WHO_NAMES_THEM}")
    for each in newest_first(folder):
        if (other := environment_of(each.manifest())) != environment and any(_rows(each, [id_])):
            return UsageError(
                f"{id_}: no version of {environment} has it; it is in {each.name} of {other}: "
                f"--environment {shlex.quote(other)}"
            )
    return UsageError(f"{id_}: no such example in {folder}; {_WHO_NAMES_THEM}")


def _rows(version: Version, ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    if not ids:
        return
    import polars as pl

    from headrace_consumers.versions.shelf.frames import scan

    # An id is the beginning of a key, so both are found by it.
    wanted = pl.any_horizontal(pl.col("key").str.starts_with(id_) for id_ in ids)
    try:
        rows = scan(version).filter(wanted).select("example_id", "key", "inputs", "outputs").collect()
    except pl.exceptions.PolarsError as error:
        raise VersionsError(f"{version.path}: cannot be read ({type(error).__name__})") from error
    for row in rows.iter_rows(named=True):
        sides = {side: canonical.loads(row[side]) for side in ("inputs", "outputs")}
        yield from ((id_, {**row, **sides}) for id_ in ids if row["key"].startswith(id_))
