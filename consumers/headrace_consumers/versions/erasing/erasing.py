"""A person's examples out of the versions: each version that has some is rewritten without them, whole or not at all.

    provenance.jsonl --whose?--> ids --> .erasing-v3/: every file without them, a new manifest --exchange--> v3/

Rows are known by their provenance: the subject's pseudonym, and the hash of the request id, of the call
and of what corrected it. The manifest keeps the hash of the one before it and the erasure's id, so that a run that was
killed, or comes again, tells all that was removed.
Edits by hand of what goes are dropped first: they hold its outputs, and it is by the versions that a run which comes
again knows of them. Card and report are made anew; files that are not known here may quote examples and are left out.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from headrace.datasets.place import Version, signature_folder, signatures_in, versions_in
from headrace.errors import HeadraceError
from headrace_consumers.versions.erasing.rewriting import id_of, rewrite
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files import appended
from headrace_consumers.versions.files.disk import FOLDER_MODE, fsync_folder, write_file
from headrace_consumers.versions.gates.judge import SCORES
from headrace_consumers.versions.hand import edits
from headrace_consumers.versions.shelf.deleting import finish_deleting
from headrace_consumers.versions.shelf.exchange import exchange
from headrace_consumers.versions.shelf.listing import changed_files
from headrace_consumers.versions.shelf.lock import locked
from headrace_consumers.versions.shelf.publishing import remove_dead
from headrace_consumers.versions.telling.card import CARD, card
from headrace_consumers.versions.telling.report import REPORT, report
from headrace_schemas import canonical
from headrace_schemas.dataset_files import SOURCES_FOLDER, version_name
from headrace_schemas.dataset_manifest import MANIFEST, METADATA, Erased

__all__ = [
    "Hook",
    "VersionFound",
    "VersionReport",
    "Whose",
    "erase",
    "forget_scores",
    "look",
    "replace_all",
    "reports",
    "under_way",
]

Hook: TypeAlias = Callable[[str], None]
"""Called between the steps; tests kill the process there."""

_NEW: Final = ".erasing-"
_OLD: Final = ".erased-"
_ID_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose examples go.

    Attributes:
        subjects: pseudonyms, as provenance holds them.
        request_hashes: of requests of which all examples go, hex.
        keys: of calls that go from the table, 64 hex digits: what is only set aside is known by them.
    """

    subjects: frozenset[str]
    request_hashes: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class VersionFound:
    """A version that has some of them.

    Attributes:
        version: which.
        example_ids: of examples that go.
        lines: that go from files beside the examples, of what was set aside.
        aside_ids: of those among them that no call's key tells.
    """

    version: Version
    example_ids: frozenset[str]
    lines: int
    aside_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class VersionReport:
    """What an erasure removed from one version, for its certificate.

    Attributes:
        path: of the version.
        signature: its signature.
        version: its name.
        examples: that were removed.
        previous_manifest_sha256: of the manifests before, the oldest first.
        manifest_sha256: of the one that is there now.
    """

    path: str
    signature: str
    version: str
    examples: int
    previous_manifest_sha256: list[str]
    manifest_sha256: str


def look(root: Path, whose: Whose) -> list[VersionFound]:
    """Return the versions that have examples of theirs; nothing is changed.

    Raises:
        VersionsError: a folder or file cannot be read.
    """
    try:
        return [found for version in _versions(root) if (found := _found(version, whose)) is not None]
    except OSError as error:
        raise VersionsError(f"{error.filename or root}: cannot be read ({error.strerror})") from error


def erase(root: Path, whose: Whose, *, erasure_id: str, at: str, hook: Hook = lambda _: None) -> None:
    """Rewrite the versions that have examples of theirs, and drop the edits of these.

    Args:
        root: the folder of all versions.
        whose: who.
        erasure_id: goes into the manifests.
        at: when, ISO 8601 in UTC with a Z.
        hook: called between the steps.

    Raises:
        VersionsError: a version cannot be read or written, or was changed; the others are done. Run it again.
        DatasetError: a manifest is damaged; likewise.
    """
    failed: list[HeadraceError] = []
    try:
        folders = [(signature, signature_folder(root, signature)) for signature in signatures_in(root)]
    except OSError as error:
        raise VersionsError(f"{error.filename or root}: {error.strerror}; run it again") from error
    for signature, folder in folders:
        try:
            with locked(folder):
                _clear(folder)
                found = [
                    each
                    for number in versions_in(folder)
                    if (each := _found(Version(signature, version_name(number), folder / version_name(number)), whose))
                ]
                _forget_edits(folder, _aside_ids(whose, {id_ for each in found for id_ in each.example_ids}))
                if found:
                    forget_scores(folder)
                hook("after:edits")
                for each in found:
                    try:
                        _replace(each, whose, erasure_id, at, hook)
                    except HeadraceError as error:
                        failed.append(error)
        except HeadraceError as error:
            failed.append(error)
        except OSError as error:
            failed.append(VersionsError(f"{error.filename or root}: {error.strerror}; run it again"))
    if failed:
        raise failed[0]


def replace_all(
    folder: Path, found: Iterable[VersionFound], *, erasure_id: str, at: str, hook: Hook = lambda _: None
) -> None:
    """Rewrite versions of a signature without some of their examples; each is whole at any time.

    Args:
        folder: of the signature.
        found: which, and without what.
        erasure_id: goes into the manifests.
        at: when, ISO 8601 in UTC with a Z.
        hook: called between the steps.

    Raises:
        VersionsError: a version cannot be read or written, or was changed; those before it are done. Run it again.
        DatasetError: a manifest is damaged; likewise.
    """
    with locked(folder):
        _clear(folder)
        for each in found:
            _replace(each, Whose(frozenset()), erasure_id, at, hook)


def reports(root: Path, erasure_id: str) -> list[VersionReport]:
    """Return what all runs of an erasure have removed, as the manifests tell it.

    Raises:
        VersionsError: a folder or file cannot be read.
        DatasetError: a manifest is damaged.
    """
    told = []
    for version in _versions(root):
        erased = [each for each in version.manifest().get("erased", ()) if each["erasure_id"] == erasure_id]
        if erased:
            told.append(
                VersionReport(
                    path=str(version.path),
                    signature=version.signature,
                    version=version.name,
                    examples=sum(each["examples"] for each in erased),
                    previous_manifest_sha256=[each["previous_manifest_sha256"] for each in erased],
                    manifest_sha256=_sha256(version.path / MANIFEST),
                )
            )
    return told


def under_way(root: Path) -> list[str]:
    """Return the folders of cuts that are under way, or were killed: one may hold what was read before.

    Raises:
        VersionsError: a folder cannot be read.
    """
    try:
        return [
            str(folder)
            for signature in signatures_in(root)
            for folder in sorted(signature_folder(root, signature).glob(".building-*"))
        ]
    except OSError as error:
        raise VersionsError(f"{error.filename or root}: cannot be read ({error.strerror})") from error


def _versions(root: Path) -> Iterator[Version]:
    for signature in signatures_in(root):
        folder = signature_folder(root, signature)
        for number in versions_in(folder):
            yield Version(signature, version_name(number), folder / version_name(number))


def _found(version: Version, whose: Whose) -> VersionFound | None:
    ids = _ids(version.path / "provenance.jsonl", whose)
    lines = _set_aside(version.path / "set_aside.jsonl", whose, ids)
    return VersionFound(version, frozenset(ids), lines) if ids or lines else None


def _ids(path: Path, whose: Whose) -> set[str]:
    """Return the ids of examples whose provenance names somebody of them."""
    tokens = sorted({*whose.subjects, *whose.request_hashes})
    if not tokens or not path.exists():
        return set()
    mentioned = re.compile(b"|".join(re.escape(token.encode()) for token in tokens))
    found = set()
    with path.open("rb") as file:
        for line in file:
            if mentioned.search(line):
                told = canonical.loads(line)
                if _is_theirs(told["metadata"], whose):
                    found.add(told["example_id"])
    return found


def _is_theirs(metadata: dict[str, Any], whose: Whose) -> bool:
    told = metadata.get("feedback")
    feedback = told if isinstance(told, dict) else {}  # of an import it may be anything
    subjects = {metadata.get("subject_id"), feedback.get("corrected_subject_id")}
    requests = {metadata.get("request_id_hash"), feedback.get("corrected_request_id_hash")}
    return not (subjects.isdisjoint(whose.subjects) and requests.isdisjoint(whose.request_hashes))


def _set_aside(path: Path, whose: Whose, ids: set[str]) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        going = _aside_ids(whose, ids)
        return sum(1 for line in file if id_of(line) in going)


def _aside_ids(whose: Whose, ids: "set[str] | frozenset[str]") -> set[str | None]:
    return {*ids, *(key[:_ID_DIGITS] for key in whose.keys)}


def _replace(found: VersionFound, whose: Whose, erasure_id: str, at: str, hook: Hook) -> None:
    """Put a version without them in its place."""
    version = found.version
    if wrong := changed_files(version):
        raise VersionsError(f"{version.path}: {wrong[0]}; delete the version, or put the file back, and run it again")
    folder = version.path.parent
    new = folder / f"{_NEW}{version.name}"
    new.mkdir(mode=FOLDER_MODE)
    hook("before:version-rewrite")
    rewrite(version, new, found.example_ids, _aside_ids(whose, found.example_ids | found.aside_ids))
    manifest: dict[str, Any] = dict(version.manifest())
    manifest["files"] = {path.name: _facts(path) for path in sorted(new.iterdir())}
    erased = Erased(
        erasure_id=erasure_id,
        at=at,
        examples=len(found.example_ids),
        previous_manifest_sha256=_sha256(version.path / MANIFEST),
    )
    manifest["erased"] = [*manifest.get("erased", ()), erased]
    metadata = json.loads((new / METADATA).read_bytes())
    write_file(new / CARD, card(metadata, manifest).encode())  # type: ignore[arg-type]  # it has what is looked at
    write_file(new / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
    write_file(new / REPORT, report(new).encode("utf-8", "replace"))
    fsync_folder(new)
    hook("after:version-rewrite")
    exchange(new, version.path, folder / f"{_OLD}{version.name}")
    hook("after:version-exchange")
    _tidy(folder)
    hook("after:version-tidy")


def _clear(folder: Path) -> None:
    """Take away what killed erasures, cuts and deletions left: each may hold what is sought; the lock is held."""
    _tidy(folder)
    remove_dead(folder)
    finish_deleting(folder)


def _tidy(folder: Path) -> None:
    """Take away what a run left: a folder that was being written, or the one that was replaced; the lock is held."""
    for old in folder.glob(f"{_OLD}v*"):
        place = folder / old.name.removeprefix(_OLD)
        if not place.exists():
            old.rename(place)  # killed between two renames; it is erased again
    for left in (*folder.glob(f"{_NEW}v*"), *folder.glob(f"{_OLD}v*")):
        shutil.rmtree(left)
    fsync_folder(folder)


def _forget_edits(folder: Path, ids: set[str | None]) -> None:
    path = edits.edits_path(folder)
    if ids and path.exists():
        appended.rewrite(path, lambda line: str(line.get("key"))[:_ID_DIGITS] not in ids)


def forget_scores(folder: Path) -> None:
    """Remove a signature's scores of a judge: they are kept by hashes of texts, which do not tell whose they were."""
    (folder / SOURCES_FOLDER / SCORES).unlink(missing_ok=True)


def _facts(path: Path) -> dict[str, Any]:
    return {"sha256": _sha256(path), "size_bytes": path.stat().st_size}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
