"""A person's words out of what nobody's records hold: examples added by hand, imported, mined, synthetic, and edits.

    ids, texts --> lines of pools, edits, examples of versions --look--> what would go
    apply: lines out of the pools, edits out of edits.jsonl, each version that has some rewritten, whole or not at all

Such examples name nobody, so they are found by what they hold (`holding`), or by their ids. Calls are not touched here:
`headrace erase` finds them by whose they are, and takes them out of the tables, too; but what an edit put in place of a
call's outputs goes, and with it the example. Of the edits only relabellings go; what was excluded stays so. A reason
that holds a text is emptied, and an example that tells it in its provenance goes from versions, though not for good.
Pools first: a cut that begins then reads nothing of it any more, and a run that comes again finds in the versions all
that was found in the pools. By an id it could not find a pool's line once the versions have it no longer.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from headrace.datasets.place import Version, versions_in
from headrace_consumers.versions.erasing.erasing import VersionFound, forget_scores, replace_all
from headrace_consumers.versions.erasing.holding import (
    words_of,
    words_of_edits,
    words_of_fields,
    words_of_line,
    words_of_origin,
    words_of_reason,
)
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

    def is_in(self, texts: Iterable[str]) -> bool:
        """Tell whether one of some texts holds one of those sought."""
        return any(each.casefold() in text.casefold() for text in texts for each in self.texts)

    def names(self, example_id: str) -> bool:
        """Tell whether an example's id is one of those sought."""
        return any(example_id.startswith(each[:32]) for each in self.ids)


@dataclass(frozen=True, slots=True)
class _Told:
    """What there is of what is sought: inputs of pools' examples, and keys of which relabellings go."""

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
        if not found.is_empty:
            forget_scores(folder)
        hook("after:pools")
        for _ in range(2):  # once more for a cut that read the edits meanwhile
            replace_all(folder, (), erasure_id=erasure_id, at=at)  # what was killed left what it had
            while some := _versions(folder, told):
                replace_all(folder, some, erasure_id=erasure_id, at=at, hook=hook)
            # Behind the versions: of a call's example they are told by the edit.
            if edits_path(folder).exists():
                appended.change(edits_path(folder), lambda line: _without_words(line, told))
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
    edits = [
        number for number, line in appended.read(edits_path(folder)).lines if _without_words(line, told) is not line
    ]
    found = {path: numbers for path, numbers in lines.items() if numbers}
    return Found(found, edits, _versions(folder, told))


def _pools(folder: Path) -> list[Path]:
    paths = [folder / SOURCES_FOLDER / f"{source}.jsonl" for source in SOURCES if source != "telemetry"]
    return [path for path in paths if path.exists()]


def _told(folder: Path, sought: Sought) -> _Told:
    edits = [line for _, line in appended.read(edits_path(folder)).lines]
    keys = {line["key"] for line in edits if "key" in line and sought.is_in(words_of_fields(line.get("outputs")))}
    inputs = {
        canonical.dumps(line.get("inputs"))
        for path in _pools(folder)
        for _, line in appended.read(path).lines
        if sought.is_in(words_of_line(line))
    }
    for version in _all(folder):
        by_origin = {
            line["example_id"]
            for line in _provenance(version, sought)
            if line["source"] != "telemetry" and sought.is_in(words_of_origin(line["metadata"]))
        }
        for line in _examples(version):
            is_named = sought.names(line["example_id"])
            if is_named:
                keys.add(line["key"])
            if line["source"] != "telemetry" and (
                is_named or line["example_id"] in by_origin or sought.is_in(words_of_line(line))
            ):
                inputs.add(canonical.dumps(line["inputs"]))
    return _Told(sought, frozenset(inputs), frozenset(keys))


def _is_line_sought(line: dict[str, Any], told: _Told) -> bool:
    return told.sought.is_in(words_of_line(line)) or canonical.dumps(line.get("inputs")) in told.inputs


def _without_words(line: dict[str, Any], told: _Told) -> dict[str, Any] | None:
    """Return what is left of an edit: that very line, one without its reason, or None."""
    key = str(line.get("key"))
    is_of_it = key in told.keys or told.sought.names(key)
    if line.get("kind") not in ("exclude", "restore") and (
        is_of_it or told.sought.is_in(words_of_fields(line.get("outputs")))
    ):
        return None
    why = line.get("why")
    return {**line, "why": ""} if why and (is_of_it or told.sought.is_in(words_of(why))) else line


def _versions(folder: Path, told: _Told) -> list[VersionFound]:
    found = []
    for version in _all(folder):
        ids = {line["example_id"] for line in _examples(version) if _is_example_sought(line, told)}
        ids |= {
            line["example_id"]
            for line in _provenance(version, told.sought)
            if told.sought.is_in(words_of_edits(line["metadata"]))
        }
        aside = [line["example_id"] for line in _lines(version, "set_aside.jsonl") if _is_reason_sought(line, told)]
        if ids or aside:
            found.append(VersionFound(version, frozenset(ids), len(aside), frozenset(aside)))
    return found


def _is_reason_sought(line: dict[str, Any], told: _Told) -> bool:
    return line.get("gate") == "excluded" and (
        told.sought.names(line["example_id"]) or told.sought.is_in(words_of_reason(str(line.get("reason"))))
    )


def _is_example_sought(line: dict[str, Any], told: _Told) -> bool:
    if told.sought.names(line["example_id"]):
        return True
    if line["source"] == "telemetry":  # a call's own words are its table's; what an edit put there is not
        return line["key"] in told.keys and told.sought.is_in(words_of_fields(line["outputs"]))
    return canonical.dumps(line["inputs"]) in told.inputs


def _all(folder: Path) -> Iterator[Version]:
    for number in versions_in(folder):
        yield Version(signature_of(folder.name), version_name(number), folder / version_name(number))


def _examples(version: Version) -> Iterator[dict[str, Any]]:
    for split in SPLITS:
        yield from _lines(version, f"{split}.jsonl")


def _provenance(version: Version, sought: Sought) -> Iterator[dict[str, Any]]:
    return _lines(version, "provenance.jsonl") if sought.texts else iter(())


def _lines(version: Version, name: str) -> Iterator[dict[str, Any]]:
    path = version.path / name
    if name == "set_aside.jsonl" and not path.exists():  # an older version has none
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except ValueError:
                raise VersionsError(f"{file.name}: line {number} is no JSON; the version is damaged") from None
