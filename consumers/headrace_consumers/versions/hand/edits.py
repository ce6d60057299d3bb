"""What people changed by hand: examples relabelled and excluded, with who, when and why.

`headrace dataset relabel|exclude|restore` append here; each cut of the same environment applies what stands there, so
that a change holds for every version after it. Nothing is taken out of the file: `restore` takes back what was said of
an example before it. Examples added by hand wait in sources/hand.jsonl, as those of any other source.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NotRequired, TypeAlias, TypedDict

from headrace_consumers.versions.files import appended
from headrace_schemas.dataset_files import PRODUCTION, SOURCES_FOLDER
from headrace_schemas.dataset_manifest import FileFacts

__all__ = ["EDITS", "Edit", "EditKind", "EditLine", "Edits", "append", "edits_path", "effective", "read"]

EDITS: Final = "edits.jsonl"

EditKind: TypeAlias = Literal["relabel", "exclude", "restore"]


class EditLine(TypedDict):
    """One change, a line of edits.jsonl.

    Attributes:
        kind: what was done.
        key: of the example, 64 hex digits; also of inputs that no version has yet.
        who: who did it.
        why: the reason given.
        timestamp_ms: when, since the epoch.
        outputs: of relabel: all outputs, a value a field, JSON, which count as corrected; None: they stay.
        quality: of relabel: 0 to 1; None: it stays. With no outputs the example counts as judged.
        fields: of relabel: which outputs the person named, the others are as they were; absent: all.
        environment: of the version where the example was seen; absent, as in lines of older releases: it holds in all.
    """

    kind: EditKind
    key: str
    who: str
    why: str
    timestamp_ms: int
    outputs: dict[str, Any] | None
    quality: float | None
    fields: NotRequired[list[str]]
    environment: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Edit:
    """What holds of an example.

    Attributes:
        is_excluded: it enters no version.
        outputs: in place of its own; None: its own.
        quality: in place of its own; None: its own.
        history: the changes that made it so, the oldest first, for the provenance: kind, who, why, timestamp_ms, and
            fields where some outputs were named.
        named: the outputs that somebody said; None: all.
    """

    is_excluded: bool
    outputs: dict[str, Any] | None
    quality: float | None
    history: tuple[dict[str, Any], ...]
    named: frozenset[str] | None = frozenset()

    def over(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return an example's outputs as they should have been; what nobody named is its own."""
        said = self.outputs or {}
        return {**own, **{name: said[name] for name in self.named}} if self.named is not None else said

    def is_whole(self, own: Mapping[str, Any]) -> bool:
        """Tell whether somebody said every output of an example."""
        return self.named is None or self.named >= own.keys()


@dataclass(frozen=True, slots=True)
class Edits:
    """A beginning of edits.jsonl.

    Attributes:
        by_key: what holds of each example in the environment.
        torn: numbers of lines that are no edits.
        size_bytes: of what was read.
        sha256: of it.
        is_other: whether it is another beginning than the one that was asked for.
    """

    by_key: dict[str, Edit]
    torn: list[int]
    size_bytes: int
    sha256: str
    is_other: bool = False


def edits_path(signature_folder: Path) -> Path:
    """Return where a signature's edits stand."""
    return signature_folder / SOURCES_FOLDER / EDITS


def append(signature_folder: Path, edits: Iterable[EditLine]) -> None:
    """Append changes; they are on disk then.

    Raises:
        VersionsError: the file cannot be written.
    """
    appended.append(edits_path(signature_folder), edits)


def read(signature_folder: Path, asked: FileFacts | None = None, environment: str = PRODUCTION) -> Edits:
    """Return what holds in an environment by a beginning of the file, or by all of it.

    Args:
        signature_folder: whose.
        asked: the beginning, as a manifest has it. Where the file begins otherwise, for an erasure took a line out or
            somebody changed it, what is there up to that size is read.
        environment: whose versions the edits are for; those of another one have no say.

    Raises:
        VersionsError: it cannot be read.
    """
    path = edits_path(signature_folder)
    size = None if asked is None else asked["size_bytes"]
    found = appended.read(path, None if size is None or not _has(path, size) else size)
    is_other = asked is not None and (found.size_bytes, found.sha256) != (asked["size_bytes"], asked["sha256"])
    edits, torn = [], list(found.torn)
    for number, line in found.lines:
        edit = _edit_line(line)
        if edit is None:
            torn.append(number)
        elif edit.get("environment", environment) == environment:
            edits.append(edit)
    return Edits(effective(edits), sorted(torn), found.size_bytes, found.sha256, is_other)


def _has(path: Path, size_bytes: int) -> bool:
    try:
        return path.stat().st_size >= size_bytes
    except OSError:
        return False


def effective(edits: Iterable[EditLine]) -> dict[str, Edit]:
    """Return what holds of each example after all changes, in their order; where nothing holds there is no entry."""
    holding: dict[str, Edit] = {}
    for line in edits:
        key = line["key"]
        if line["kind"] == "restore":
            holding.pop(key, None)
            continue
        before = holding.get(key, _NOTHING)
        told: dict[str, Any] = {name: line[name] for name in ("kind", "who", "why", "timestamp_ms")}
        if "fields" in line:
            told["fields"] = line["fields"]
        outputs, named = _together(before, line)
        holding[key] = Edit(
            is_excluded=before.is_excluded or line["kind"] == "exclude",
            outputs=outputs,
            quality=before.quality if line["quality"] is None else line["quality"],
            history=(*before.history, told),
            named=named,
        )
    return holding


def _together(before: Edit, line: EditLine) -> tuple[dict[str, Any] | None, frozenset[str] | None]:
    """Return the outputs after a change, and which of them somebody said: what was named before stays so."""
    if line["outputs"] is None:
        return before.outputs, before.named
    if "fields" not in line:
        return line["outputs"], None
    said = before.outputs or {}
    known = frozenset(said) if before.named is None else before.named
    now = known.union(line["fields"]) & line["outputs"].keys()
    return {**line["outputs"], **{name: said[name] for name in now.difference(line["fields"])}}, now


_NOTHING: Final = Edit(is_excluded=False, outputs=None, quality=None, history=())


def _edit_line(line: dict[str, Any]) -> EditLine | None:
    """Return the line if it is an edit: a person may have written it with an editor."""
    kind, quality, outputs = line.get("kind"), line.get("quality"), line.get("outputs")
    has_texts = all(isinstance(line.get(name), str) for name in ("key", "who", "why"))
    has_texts = has_texts and isinstance(line.get("environment", ""), str)
    has_time = type(line.get("timestamp_ms")) is int
    has_quality = quality is None or (type(quality) in (int, float) and 0 <= quality <= 1)
    has_outputs = outputs is None or isinstance(outputs, dict)
    fields = line.get("fields", [])
    has_outputs = has_outputs and isinstance(fields, list) and all(isinstance(each, str) for each in fields)
    if kind not in ("relabel", "exclude", "restore") or not (has_texts and has_time and has_quality and has_outputs):
        return None
    found = EditLine(
        kind=kind,
        key=line["key"],
        who=line["who"],
        why=line["why"],
        timestamp_ms=line["timestamp_ms"],
        outputs=outputs,
        quality=None if quality is None else float(quality),
    )
    if "fields" in line:
        found["fields"] = fields
    if "environment" in line:
        found["environment"] = line["environment"]
    return found
