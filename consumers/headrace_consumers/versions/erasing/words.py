"""A person's words out of what nobody's records hold: examples added by hand, imported, mined, synthetic, and edits.

    ids, texts --> lines of pools, edits, examples of versions --look--> what would go
    apply: lines out of the pools, edits out of edits.jsonl, each version that has some rewritten, whole or not at all

Such examples name nobody, so they are found by what they hold, or by their ids. Calls are not touched here: `headrace
erase` finds them by whose they are, and takes them out of the tables, too; but what an edit put in place of a call's
outputs goes, and with it the example. Pools first: a cut that begins then reads nothing of it any more.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from headrace.datasets.place import Version, versions_in
from headrace_consumers.versions.erasing.erasing import VersionFound, replace_all
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files import appended
from headrace_consumers.versions.hand.edits import edits_path
from headrace_schemas import canonical
from headrace_schemas.dataset_files import SOURCES, SOURCES_FOLDER, SPLITS, signature_of, version_name

__all__ = ["Found", "Sought", "apply", "look"]

Hook: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sought:
    """What goes.

    Attributes:
        ids: of examples, or their beginnings.
        texts: whatever holds one of these, in any case.
    """

    ids: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def is_in(self, value: Any) -> bool:
        """Tell whether a JSON value holds one of the texts."""
        held = canonical.dumps(value).decode().casefold()
        return any(_inside_json(text) in held for text in self.texts)

    def names(self, example_id: str) -> bool:
        """Tell whether an example's id is one of those sought."""
        return any(example_id.startswith(each[:32]) for each in self.ids)


@dataclass(frozen=True, slots=True)
class _Told:
    """What pools, edits and versions tell of what is sought: inputs of pools' examples, and keys that edits go with."""

    sought: Sought
    inputs: frozenset[bytes]
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of it.

    Attributes:
        lines: file of a source -> numbers of its lines.
        edits: numbers of lines of edits.jsonl.
        versions: that have examples of it.
    """

    lines: dict[Path, list[int]]
    edits: list[int]
    versions: list[VersionFound]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.lines or self.edits or self.versions)


def look(folder: Path, sought: Sought) -> Found:
    """Return what would go; nothing is changed.

    Args:
        folder: of the signature.
        sought: what.

    Raises:
        VersionsError: a file cannot be read.
        DatasetError: a version is damaged.
    """
    try:
        return _look(folder, sought)
    except OSError as error:
        raise VersionsError(f"{error.filename or folder}: cannot be read ({error.strerror})") from error


def apply(folder: Path, sought: Sought, *, erasure_id: str, at: str, hook: Hook = lambda _: None) -> Found:
    """Take it out, and return what there was. Killed, or run again, it does what is left to do.

    Args:
        folder: of the signature.
        sought: what.
        erasure_id: goes into the manifests.
        at: when, ISO 8601 in UTC with a Z.
        hook: called between the steps; tests kill the process there.

    Raises:
        VersionsError: something cannot be read or written, or a version was changed; run it again.
        DatasetError: a version is damaged; likewise.
    """
    found = look(folder, sought)
    try:
        told = _told(folder, sought)
        for path in _pools(folder):
            appended.rewrite(path, lambda line: not _is_line_sought(line, told))
        hook("after:pools")
        for _ in range(2):  # once more for a cut that read the edits meanwhile
            while some := _versions(folder, told):
                replace_all(folder, some, erasure_id=erasure_id, at=at, hook=hook)
            # Behind the versions: of a call's example they are told by the edit.
            if edits_path(folder).exists():
                appended.rewrite(edits_path(folder), lambda line: not _is_edit_sought(line, told))
            hook("after:edits")
    except OSError as error:
        raise VersionsError(f"{error.filename or folder}: {error.strerror}; run it again") from error
    return found


def _look(folder: Path, sought: Sought) -> Found:
    told = _told(folder, sought)
    lines = {
        path: [number for number, line in appended.read(path).lines if _is_line_sought(line, told)]
        for path in _pools(folder)
    }
    edits = [number for number, line in appended.read(edits_path(folder)).lines if _is_edit_sought(line, told)]
    found = {path: numbers for path, numbers in lines.items() if numbers}
    return Found(found, edits, _versions(folder, told))


def _pools(folder: Path) -> list[Path]:
    paths = [folder / SOURCES_FOLDER / f"{source}.jsonl" for source in SOURCES if source != "telemetry"]
    return [path for path in paths if path.exists()]


def _told(folder: Path, sought: Sought) -> _Told:
    edits = [line for _, line in appended.read(edits_path(folder)).lines]
    keys = {line["key"] for line in edits if "key" in line and _holds_words(line, sought)}
    inputs = {
        canonical.dumps(line.get("inputs"))
        for path in _pools(folder)
        for _, line in appended.read(path).lines
        if sought.is_in(line)
    }
    for version in _all(folder):
        for line in _examples(version):
            is_named = sought.names(line["example_id"])
            if is_named:
                keys.add(line["key"])
            if line["source"] != "telemetry" and (is_named or sought.is_in([line["inputs"], line["outputs"]])):
                inputs.add(canonical.dumps(line["inputs"]))
    return _Told(sought, frozenset(inputs), frozenset(keys))


def _is_line_sought(line: dict[str, Any], told: _Told) -> bool:
    return told.sought.is_in(line) or canonical.dumps(line.get("inputs")) in told.inputs


def _is_edit_sought(line: dict[str, Any], told: _Told) -> bool:
    return line.get("key") in told.keys or _holds_words(line, told.sought)


def _holds_words(line: dict[str, Any], sought: Sought) -> bool:
    return sought.is_in([line.get("outputs"), line.get("why")])


def _versions(folder: Path, told: _Told) -> list[VersionFound]:
    found = []
    for version in _all(folder):
        ids = {line["example_id"] for line in _examples(version) if _is_example_sought(line, told)}
        if ids:
            found.append(VersionFound(version, frozenset(ids), 0))
    return found


def _is_example_sought(line: dict[str, Any], told: _Told) -> bool:
    if told.sought.names(line["example_id"]):
        return True
    if line["source"] == "telemetry":  # a call's own words are its table's; what an edit put there is not
        return line["key"] in told.keys and told.sought.is_in(line["outputs"])
    return canonical.dumps(line["inputs"]) in told.inputs


def _all(folder: Path) -> Iterator[Version]:
    for number in versions_in(folder):
        yield Version(signature_of(folder.name), version_name(number), folder / version_name(number))


def _examples(version: Version) -> Iterator[dict[str, Any]]:
    for split in SPLITS:
        with (version.path / f"{split}.jsonl").open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield json.loads(line)
                except ValueError:
                    raise VersionsError(f"{file.name}: line {number} is no JSON; the version is damaged") from None


def _inside_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1].casefold()
