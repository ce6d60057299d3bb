"""What a person writes: examples of their own, and changes to those that versions have.

an object {inputs, outputs, ...} --checked--> SourceLine of sources/hand.jsonl
an id or a key --found in a version--> EditLine of sources/edits.jsonl
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.datasets.place import Version, versions_in
from headrace.errors import UsageError
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files.kinds import NULL, kind_of
from headrace_consumers.versions.hand.edits import EditKind, EditLine
from headrace_schemas import canonical
from headrace_schemas.dataset_files import DIFFICULTIES, SPLITS, SourceLine, signature_of, version_name
from headrace_schemas.errors import CanonicalizationError

__all__ = ["FieldNames", "Said", "edit", "examples_in", "field_names", "find"]

_KEY: Final = re.compile(r"[0-9a-f]{8,64}")
_MEMBERS: Final = ("inputs", "outputs", "category", "difficulty")


@dataclass(frozen=True, slots=True)
class Said:
    """Who says something, when and why.

    Attributes:
        who: a name for people.
        why: the reason.
        timestamp_ms: when, since the epoch.
    """

    who: str
    why: str
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The fields that a signature's examples have.

    Attributes:
        inputs: the names of the inputs.
        outputs: the names of the outputs.
        version: where they were looked up.
    """

    inputs: frozenset[str]
    outputs: frozenset[str]
    version: str


def field_names(folder: Path) -> FieldNames | None:
    """Return the fields of the newest version's first example; None: there is no example yet.

    Raises:
        DatasetError, CanonicalizationError: the version is damaged.
    """
    for number in reversed(versions_in(folder)):
        version = Version(signature_of(folder.name), version_name(number), folder / version_name(number))
        for split in SPLITS:
            first = version.content(f"{split}.jsonl").partition(b"\n")[0]
            if first:
                line = canonical.loads(first)
                return FieldNames(frozenset(line["inputs"]), frozenset(line["outputs"]), version.name)
    return None


def examples_in(text: str, said: Said, names: FieldNames | None) -> list[SourceLine]:
    """Return the examples of a text: a JSON object, an array of them, or JSON Lines.

    Args:
        text: each object has `inputs` and `outputs`, and may have `category` and `difficulty`.
        said: who adds them.
        names: the fields that they must have; None: any.

    Raises:
        UsageError: it is none; the message names the example by its number.
    """
    return [_example(number, value, said, names) for number, value in enumerate(_objects(text), 1)]


def find(folder: Path, ids: Sequence[str], version: Version | None) -> dict[str, dict[str, Any]]:
    """Return examples as a version has them, by what was asked for.

    Args:
        folder: of the signature.
        ids: example ids or keys, or their beginnings of at least eight digits.
        version: where to look; None: in all, the newest first.

    Raises:
        UsageError: one names no example, or several.
        VersionsError: a version cannot be read.
    """
    for id_ in ids:
        if not _KEY.fullmatch(id_):
            raise UsageError(f"{id_[:70]}: no example's id; expected 8 to 64 hex digits, as example_id has them")
    found: dict[str, dict[str, Any]] = {}
    versions = [version] if version is not None else _newest_first(folder)
    for each in versions:
        for id_, row in _rows(each, [id_ for id_ in ids if id_ not in found]):
            if found.setdefault(id_, row)["key"] != row["key"]:
                raise UsageError(f"{id_}: begins several examples of {each.name}; give more digits")
    for id_ in ids:
        if id_ not in found:
            where = version.path if version is not None else folder
            raise UsageError(f"{id_}: no such example in {where}; headrace ui and the lines of a version name them")
    return found


def edit(
    kind: EditKind,
    row: Mapping[str, Any],
    said: Said,
    *,
    outputs: Mapping[str, Any] | None = None,
    quality: float | None = None,
    any_kind: bool = False,
) -> EditLine:
    """Return a change to an example.

    Args:
        kind: what is done.
        row: the example, as `find` returns it.
        said: who does it.
        outputs: of relabel: those that are named; the others stay.
        quality: of relabel.
        any_kind: of relabel: whether a value may be of another kind than the example has there.

    Raises:
        UsageError: the example has no such output, or one of another kind.
    """
    line = EditLine(
        kind=kind,
        key=row["key"],
        who=said.who,
        why=said.why,
        timestamp_ms=said.timestamp_ms,
        outputs=None if outputs is None else _with_outputs(row, outputs, any_kind=any_kind),
        quality=quality,
    )
    if outputs is not None:
        line["fields"] = sorted(outputs)
    return line


def _with_outputs(row: Mapping[str, Any], outputs: Mapping[str, Any], *, any_kind: bool) -> dict[str, Any]:
    own: dict[str, Any] = row["outputs"]
    if unknown := sorted(outputs.keys() - own.keys()):
        raise UsageError(f"{row['example_id']}: has no output {', '.join(unknown)}; it has {', '.join(sorted(own))}")
    for name, value in sorted(outputs.items()):
        was, kind = kind_of(own[name]), kind_of(value)
        if not any_kind and NULL not in (was, kind) and was != kind:
            what = f"output {name[:80]} is a {was}, and not a {kind}"
            raise UsageError(f"{row['example_id']}: {what} (--any-kind takes it all the same)")
    return {**own, **outputs}


def _objects(text: str) -> list[Any]:
    try:
        value = json.loads(text)
    except ValueError:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        return [_line(number, line) for number, line in lines]
    return value if isinstance(value, list) else [value]


def _line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise UsageError(f"line {number}: no JSON; expected an object, an array of them, or a line each") from error


def _example(number: int, value: Any, said: Said, names: FieldNames | None) -> SourceLine:
    place = f"example {number}"
    if not isinstance(value, dict) or not all(isinstance(value.get(side), dict) for side in ("inputs", "outputs")):
        raise UsageError(f'{place}: expected an object like {{"inputs": {{...}}, "outputs": {{...}}}}')
    if unknown := sorted(str(name) for name in value if name not in _MEMBERS):
        raise UsageError(f"{place}: has {', '.join(unknown)}; expected {', '.join(_MEMBERS)} only")
    category, difficulty = value.get("category"), value.get("difficulty")
    if category is not None and not isinstance(category, str):
        raise UsageError(f"{place}: category is no text")
    if difficulty not in (None, *DIFFICULTIES):
        raise UsageError(f"{place}: difficulty is none of {', '.join(DIFFICULTIES)}")
    if names is not None:
        _insist_on(names, place, value)
    line = SourceLine(
        inputs=value["inputs"],
        outputs=value["outputs"],
        category=category,
        difficulty=difficulty,
        timestamp_ms=said.timestamp_ms,
        metadata={"who": said.who, "why": said.why, "when_ms": said.timestamp_ms},
    )
    try:
        canonical.dumps(line)
    except CanonicalizationError as error:
        raise UsageError(f"{place}: {error}") from None
    return line


def _insist_on(names: FieldNames, place: str, value: Mapping[str, Any]) -> None:
    for side, known in (("inputs", names.inputs), ("outputs", names.outputs)):
        if value[side].keys() != known:
            has = ", ".join(sorted(value[side])) or "none"
            raise UsageError(
                f"{place}: its {side} are {has}; those of {names.version} are {', '.join(sorted(known))} "
                "(--any-fields adds it all the same)"
            )


def _newest_first(folder: Path) -> list[Version]:
    return [
        Version(signature_of(folder.name), version_name(number), folder / version_name(number))
        for number in reversed(versions_in(folder))
    ]


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
