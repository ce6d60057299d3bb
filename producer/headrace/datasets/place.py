"""Where versions lie: which there are, which one is meant, and its files with their hashes checked."""

import difflib
import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.errors import DatasetError
from headrace_schemas.dataset_files import (
    DELETED_FOLDER,
    LATEST,
    folder_name,
    signature_of,
    version_name,
    version_number,
)
from headrace_schemas.dataset_manifest import MANIFEST, Manifest

__all__ = ["Version", "deleted_in", "latest_in", "located", "signature_folder", "signatures_in", "versions_in"]

_FORMAT: Final = 1
_TRIES: Final = 2
_MEMBERS: Final[dict[str, type]] = {"signature": str, "version": str, "fields_hash": str, "files": dict}


@dataclass(frozen=True, slots=True)
class Version:
    """A version on disk.

    Attributes:
        signature: the signature's name.
        name: its folder's name, e.g. v3.
        path: its folder.
    """

    signature: str
    name: str
    path: Path

    def manifest(self) -> Manifest:
        """Return what manifest.json says.

        Raises:
            DatasetError: it cannot be read, or is none of this release's.
        """
        return _manifest(self.path / MANIFEST)

    def content(self, file_name: str) -> bytes:
        """Return the bytes of a file, which are those that the manifest names.

        Raises:
            DatasetError: it cannot be read, or was changed.
        """
        for _ in range(_TRIES):  # an erasure may put another folder in place between the two files
            facts = self.manifest()["files"].get(file_name)
            if facts is None:
                raise DatasetError(f"{self.path / MANIFEST}: names no {file_name}; cut the version anew")
            content = _read(self.path / file_name)
            if hashlib.sha256(content).hexdigest() == facts["sha256"]:
                return content
        raise DatasetError(
            f"{self.path / file_name}: is not the file that the manifest names (its SHA-256 is another), somebody "
            "changed it; take another version, or cut a new one"
        )


def signature_folder(root: Path, signature: str) -> Path:
    """Return the folder of a signature.

    Raises:
        DatasetError: no folder can have its name.
    """
    try:
        return root / folder_name(signature)
    except ValueError as error:
        raise DatasetError(f"signature {signature[:40]!r}: {error}") from None


def signatures_in(root: Path) -> list[str]:
    """Return the signatures that have a folder, by name. OSError passes through; a missing root holds none."""
    if not root.is_dir():
        return []
    return sorted(signature_of(each.name) for each in root.iterdir() if each.is_dir() and each.name[0] != ".")


def versions_in(folder: Path) -> list[int]:
    """Return the numbers of the versions of a signature, the oldest first. OSError passes through."""
    if not folder.is_dir():
        return []
    numbers = {version_number(each.name) for each in folder.iterdir() if each.is_dir()}
    return sorted(number for number in numbers - deleted_in(folder) if number is not None)


def deleted_in(folder: Path) -> set[int | None]:
    """Return the numbers of the versions that were deleted, or are being deleted. OSError passes through."""
    tombstones = folder / DELETED_FOLDER
    return {version_number(each.stem) for each in tombstones.glob("v*.json")} if tombstones.is_dir() else set()


def latest_in(folder: Path) -> str | None:
    """Return what `latest` names, whether that is there or not; None where there is no such file.

    Raises:
        DatasetError: it cannot be read.
    """
    path = folder / LATEST
    if not path.exists():
        return None
    return _read(path).decode("utf-8", "replace").strip()


def located(root: Path, signature: str, version: str | int) -> Version:
    """Return the version that is meant.

    Args:
        root: the folder of all versions.
        signature: the signature's name.
        version: latest, or v3, or 3.

    Raises:
        DatasetError: there is none such; the message says what there is.
    """
    folder = signature_folder(root, signature)
    try:
        numbers = versions_in(folder)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error.strerror})") from None
    if not numbers:
        raise DatasetError(_no_versions(root, signature))
    name = version_name(version) if isinstance(version, int) and not isinstance(version, bool) else str(version)
    rollback = f"headrace versions rollback --signature {shlex.quote(signature)}"
    has = f"there are {', '.join(map(version_name, numbers[-10:]))}"
    if name == LATEST:
        pointed = latest_in(folder)
        if pointed is None:
            raise DatasetError(f"{folder}: no version is the latest; {has}: {rollback} makes one of them")
        if version_number(pointed) not in numbers:
            raise DatasetError(
                f"{folder / LATEST}: names {pointed[:20]!r}, which is not there; {has}: "
                f"{rollback} makes one of them the latest"
            )
        name = pointed
    number = version_number(name)
    if number is None:
        raise DatasetError(f"version {name[:40]!r}: expected {LATEST}, or one like v3; of {signature} {has}")
    if number in deleted_in(folder):
        raise DatasetError(f"{folder / name}: was deleted ({folder / DELETED_FOLDER / name}.json tells why); {has}")
    if number not in numbers:
        raise DatasetError(f"{folder / name}: no such version; {has}")
    return Version(signature, name, folder / name)


def _no_versions(root: Path, signature: str) -> str:
    known = [each for each in signatures_in(root) if versions_in(signature_folder(root, each))]
    cut = f"headrace dataset cut --signature {shlex.quote(signature)}"
    if not known:
        return (
            f"{root}: no versions of {signature} here, nor of another signature; {cut} makes one, or give another root"
        )
    near = difflib.get_close_matches(signature, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known[:10])}"
    return f"{root}: no versions of {signature} here; {hint} {cut} makes one"


def _manifest(path: Path) -> Manifest:
    try:
        manifest: Any = json.loads(_read(path))
    except ValueError:
        raise DatasetError(f"{path}: is damaged, no JSON; take another version") from None
    if not isinstance(manifest, dict):
        raise DatasetError(f"{path}: is damaged, no JSON object; take another version")
    found = manifest.get("format")
    if found != _FORMAT:
        raise DatasetError(f"{path}: format {found!r}, this release reads {_FORMAT}; update headrace here")
    if wrong := [name for name, kind in _MEMBERS.items() if not isinstance(manifest.get(name), kind)]:
        raise DatasetError(f"{path}: is damaged, without {', '.join(wrong)}; take another version")
    return manifest  # type: ignore[return-value]  # it has what is looked at


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from None
