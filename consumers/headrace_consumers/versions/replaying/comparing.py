"""What was made again against what the version has: each file by its hash, then example by example."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files.examples import EXAMPLE_COLUMNS, read_split
from headrace_schemas.dataset_files import SPLITS
from headrace_schemas.dataset_manifest import FileFacts

__all__ = ["Gone", "Replayed", "compare", "lines_of"]

_PLACE: Final = ("topic", "partition", "offset")


@dataclass(frozen=True, slots=True)
class Gone:
    """An example that the version has and that could not be made again.

    Attributes:
        example_id: its id.
        source: where it came from.
        topic: of telemetry: where in Kafka its call stood; None otherwise.
        partition: likewise.
        offset: likewise.
    """

    example_id: str
    source: str
    topic: str | None
    partition: int | None
    offset: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Replayed:
    """What came of it.

    Attributes:
        examples: that were made.
        files: name -> whether its bytes (of Parquet: its rows) are the same.
        gone: examples that are not there any more.
        others: ids of examples that are there and differ: a copy or feedback is gone, or the version was changed.
        more: ids of examples that the version does not have.
        changed: files of the version that are no longer what the manifest says, and what is beside it (edits, pools of
            sources) where that made a difference, a line each.
        beside: edits and pools that are no longer what the manifest says, a line each.
        notes: what the user should know, a line each.
    """

    examples: int = 0
    files: dict[str, bool] = field(default_factory=dict)
    gone: list[Gone] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        """Whether all is as it was."""
        return all(self.files.values()) and not self.changed


def compare(
    found: Replayed, version: Path, made: Path, facts: Mapping[str, FileFacts], files: Mapping[str, FileFacts]
) -> None:
    """Tell in what the files that were made differ from the version's.

    Args:
        found: is told; its `changed` names the version's files that are not what the manifest says.
        version: its folder.
        made: the folder of the new ones.
        facts: of these, by name.
        files: by name, as the manifest has them.

    Raises:
        VersionsError: a file of the version is damaged.
    """
    for split in SPLITS:
        name, rows = f"{split}.jsonl", f"{split}.parquet"
        is_made_again = _is_same(name, facts, files)
        found.files[name] = is_made_again and not _is_in(found.changed, name)
        found.files[rows] = not _is_in(found.changed, rows) and (
            _is_same(rows, facts, files) or (is_made_again and _are_same_rows(version, made, split))
        )
        if not is_made_again:
            _tell_apart(found, version / name, made / name)
    found.files["provenance.jsonl"] = _is_same("provenance.jsonl", facts, files)
    if found.gone:
        _name_places(found, version / "provenance.jsonl")


def _is_in(changed: list[str], name: str) -> bool:
    return any(line.startswith(f"{name}: ") for line in changed)


def _is_same(name: str, facts: Mapping[str, FileFacts], files: Mapping[str, FileFacts]) -> bool:
    return name in files and facts[name]["sha256"] == files[name]["sha256"]


def _are_same_rows(version: Path, made: Path, split: Any) -> bool:
    """Tell whether two Parquet files have the same rows: another release may write other bytes."""
    if not (version / f"{split}.parquet").exists():
        return False
    ours, theirs = read_split(made, split), read_split(version, split)
    empty = pl.DataFrame(schema=dict.fromkeys(EXAMPLE_COLUMNS, pl.String))
    while True:
        one, other = next(ours, None), next(theirs, None)
        if one is None or other is None:
            return (empty if one is None else one).is_empty() and (empty if other is None else other).is_empty()
        if not one.equals(other):
            return False


def _tell_apart(found: Replayed, was: Path, now: Path) -> None:
    """Walk through two files of lines sorted by key."""
    before, after = lines_of(was), lines_of(now)
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old["key"] < new["key"]):
            assert old is not None  # noqa: S101  # for mypy
            found.gone.append(Gone(old["example_id"], old["source"], None, None, None))
            old = next(before, None)
        elif old is None or new["key"] < old["key"]:
            found.more.append(new["example_id"])
            new = next(after, None)
        else:
            if old != new:
                found.others.append(new["example_id"])
            old, new = next(before, None), next(after, None)


def _name_places(found: Replayed, provenance: Path) -> None:
    ids = {gone.example_id for gone in found.gone}
    places = {line["example_id"]: line["metadata"] for line in lines_of(provenance) if line["example_id"] in ids}
    found.gone = [
        Gone(gone.example_id, gone.source, *(places.get(gone.example_id, {}).get(name) for name in _PLACE))
        for gone in found.gone
    ]


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a version's file.

    Raises:
        VersionsError: it is damaged.
    """
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                try:
                    line = json.loads(text)
                except ValueError:
                    raise VersionsError(f"{path}: line {number} is no JSON; the version is damaged") from None
                yield line
    except FileNotFoundError:
        raise VersionsError(f"{path}: is not there; the version is damaged") from None
