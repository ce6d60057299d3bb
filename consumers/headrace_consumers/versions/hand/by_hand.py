"""What a person writes: examples of their own, and changes to those that versions have.

an object {inputs, outputs, ...} --checked--> SourceLine of sources/hand.jsonl
an example --found in a version--> EditLine of sources/edits.jsonl, of the version's environment
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.errors import UsageError
from headrace_consumers.versions.files.kinds import NULL, kind_of
from headrace_consumers.versions.hand.edits import EditKind, EditLine
from headrace_consumers.versions.hand.finding import newest_first
from headrace_schemas import canonical
from headrace_schemas.dataset_files import DIFFICULTIES, SPLITS, SourceLine
from headrace_schemas.errors import CanonicalizationError

__all__ = ["FieldNames", "Said", "edit", "examples_in", "field_names"]

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
    for version in newest_first(folder):
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
        row: the example, as `finding.find` returns it.
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
        environment=row["environment"],
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
