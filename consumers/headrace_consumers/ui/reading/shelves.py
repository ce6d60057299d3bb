"""The versions of a signature: which there are, and one of them with what stands in its files for people."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.datasets.place import Version, located, signature_folder, signatures_in, versions_in
from headrace.errors import DatasetError
from headrace_consumers.ui.page import NothingThereError
from headrace_consumers.ui.sources import Sources
from headrace_consumers.versions.shelf.listing import Latest, Shelved, latest_of, shelf, shelved
from headrace_consumers.versions.shelf.uses import Used, uses
from headrace_schemas.dataset_files import SPLITS, version_name

__all__ = ["Book", "Shelf", "book", "latest_facts", "shelf_of", "signatures_with_versions", "version_named"]


@dataclass(frozen=True, slots=True)
class Book:
    """One version as it is shown.

    Attributes:
        shelved: its figures, or its damage.
        is_latest: whether `latest` names it.
        used_by: runs and rollouts that use it.
        labels: label -> examples, in all splits.
        words: gate -> its verdict in words.
    """

    shelved: Shelved
    is_latest: bool
    used_by: list[str]
    labels: dict[str, int]
    words: dict[str, str]

    @property
    def name(self) -> str:
        """Of its folder, e.g. v3."""
        return self.shelved.version.name

    @property
    def failed(self) -> list[str]:
        """The gates that it has not passed."""
        manifest = self.shelved.manifest
        return [] if manifest is None else [each["gate"] for each in manifest["gates"] if not each["is_passed"]]

    @property
    def unjudged(self) -> list[str]:
        """The gates that had nothing to judge."""
        manifest = self.shelved.manifest
        return (
            [] if manifest is None else [each["gate"] for each in manifest["gates"] if not each.get("is_judged", True)]
        )


@dataclass(frozen=True, slots=True)
class Shelf:
    """The versions of a signature, the newest first, and what `latest` says."""

    books: list[Book]
    latest: Latest


def signatures_with_versions(root: Path) -> dict[str, list[str]]:
    """Return signature -> its versions' names, the oldest first; without those that have none. OSError passes."""
    found = {each: versions_in(signature_folder(root, each)) for each in signatures_in(root)}
    return {each: [version_name(number) for number in numbers] for each, numbers in found.items() if numbers}


def latest_facts(root: Path, signature: str) -> Book | None:
    """Return the version that `latest` names; None: there is none such.

    Raises:
        DatasetError: it cannot be read. OSError passes through.
    """
    folder = signature_folder(root, signature)
    latest = latest_of(folder)
    if latest.name is None or latest.is_dangling:
        return None
    return _book(shelved(Version(signature, latest.name, folder / latest.name)), latest, uses(folder))


def shelf_of(sources: Sources, signature: str) -> Shelf:
    """Return the versions of a signature; none: there are none yet.

    Raises:
        DatasetError, VersionsError: the folder cannot be read.
    """
    folder = signature_folder(sources.root, signature)
    if not versions_in(folder):
        return Shelf([], Latest(None, is_dangling=False))
    return Shelf(list(reversed(_books(folder))), latest_of(folder))


def version_named(sources: Sources, signature: str, name: str) -> Version:
    """Return a version.

    Raises:
        NothingThereError: there is none such, or the folder cannot be read; the line says what there is.
    """
    try:
        return located(sources.root, signature, name)
    except DatasetError as error:
        raise NothingThereError(str(error)) from None


def book(sources: Sources, signature: str, name: str) -> Book:
    """Return one version as it is shown.

    Raises:
        NothingThereError: there is none such.
        DatasetError: the folder cannot be read. OSError passes through.
    """
    version = version_named(sources, signature, name)
    folder = version.path.parent
    return _book(shelved(version), latest_of(folder), uses(folder))


def _books(folder: Path) -> list[Book]:
    latest, used = latest_of(folder), uses(folder)
    return [_book(each, latest, used) for each in shelf(folder)]


def _book(each: Shelved, latest: Latest, used: list[Used]) -> Book:
    return Book(
        each,
        is_latest=each.version.name == latest.name,
        used_by=[by.what for by in used if by.version in (each.version.name, None)],
        labels=_labels(each),
        words=_words(each),
    )


def _labels(each: Shelved) -> dict[str, int]:
    labels: Counter[str] = Counter()
    if each.metadata is not None:
        for split in SPLITS:
            labels.update(each.metadata["splits"][split]["labels"])
    return dict(labels)


def _words(each: Shelved) -> dict[str, str]:
    told: Any = each.metadata or {}
    return {verdict["gate"]: verdict.get("what", "") for verdict in told.get("gates", [])}
