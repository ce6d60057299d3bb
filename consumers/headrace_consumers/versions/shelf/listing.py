"""What stands on the shelf of a signature: its versions, and which of them is the latest."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.datasets.place import Version, latest_in, versions_in
from headrace.errors import DatasetError
from headrace_consumers.versions.errors import VersionsError
from headrace_schemas.dataset_files import signature_of, version_name, version_number
from headrace_schemas.dataset_manifest import METADATA, Manifest, Metadata

__all__ = ["Latest", "Shelved", "changed_files", "latest_of", "sha256_of", "shelf", "shelved"]

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


def shelf(folder: Path) -> list[Shelved]:
    """Return the versions of a signature, the oldest first.

    Args:
        folder: of the signature.

    Raises:
        VersionsError: it cannot be read.
    """
    try:
        names = [version_name(number) for number in versions_in(folder)]
        return [shelved(Version(signature_of(folder.name), name, folder / name)) for name in names]
    except OSError as error:
        raise VersionsError(f"{error.filename or folder}: cannot be read ({error.strerror})") from error


def latest_of(folder: Path) -> Latest:
    """Return what `latest` of a signature says.

    Raises:
        DatasetError: it cannot be read.
    """
    name = latest_in(folder)
    return Latest(name, name is not None and version_number(name) not in versions_in(folder))


def changed_files(version: Version, names: Collection[str] | None = None) -> list[str]:
    """Return what is wrong with a version's files by its manifest, a line each; none: nothing.

    Args:
        version: which.
        names: only these files are read; None: all.

    Raises:
        DatasetError: the manifest cannot be read.
    """
    wrong = []
    for name, facts in version.manifest()["files"].items():
        if names is not None and name not in names:
            continue
        try:
            if sha256_of(version.path / name) != facts["sha256"]:
                wrong.append(f"{name}: is not the file that the manifest names, somebody changed it")
        except OSError as error:
            wrong.append(f"{name}: cannot be read ({error.strerror})")
    return wrong


def shelved(version: Version) -> Shelved:
    """Return a version with its figures; OSError passes through."""
    size_bytes = sum(each.stat().st_size for each in version.path.iterdir() if each.is_file())
    try:
        manifest = version.manifest()
        metadata = json.loads(version.content(METADATA))
    except (DatasetError, ValueError) as error:
        return Shelved(version, None, None, " ".join(str(error).split()), size_bytes)
    return Shelved(version, metadata, manifest, None, size_bytes)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex. OSError passes through."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
