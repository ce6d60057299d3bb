"""A version made again from its manifest, and compared with what it was.

    manifest --> recipe, places in Kafka, bytes of the sources --assemble--> less what its gates set aside --> files
    each file's hash as the manifest has it: the same. Else: which examples are gone, and which are others. A file of
the version, or the edits, that are no longer what the manifest says are told, for what differs may come from them.

Gates are not asked again (one may have asked a model): what they took out stands in set_aside.jsonl, which is a file of
the version. Rows go from a table by retention and by erasure only, so an example of telemetry that is gone went so.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import ValidationError

from headrace.datasets.place import Version
from headrace_consumers.versions.cutting.assembling import Assembled, Progress, Sources, assemble
from headrace_consumers.versions.cutting.drawing import drawn
from headrace_consumers.versions.cutting.recipe import Recipe
from headrace_consumers.versions.cutting.scorer import load_scorer
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files.examples import EXAMPLE_COLUMNS, read_split
from headrace_consumers.versions.files.writing import facts_of, write_examples
from headrace_consumers.versions.hand.edits import edits_path
from headrace_consumers.versions.reading.tables import Tables
from headrace_consumers.versions.reading.telemetry import Places
from headrace_consumers.versions.shelf.listing import changed_files
from headrace_schemas.dataset_files import SPLITS
from headrace_schemas.dataset_manifest import MANIFEST

__all__ = ["Gone", "Replayed", "replay"]

_MADE_OF: Final = ("headrace", "recipe", "tables", "rows", "offsets", "sighting_offsets", "feedback_offsets", "sources")
_BEFORE_GATES: Final = frozenset({"duplicates", "excluded", "outputs", "candidate"})


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
        changed: files that are no longer what the manifest says, of the version or the edits, a line each.
        notes: what the user should know, a line each.
    """

    examples: int = 0
    files: dict[str, bool] = field(default_factory=dict)
    gone: list[Gone] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        """Whether all is as it was."""
        return all(self.files.values()) and not self.changed


def replay(
    version: Path,
    tables: Tables,
    into: Path,
    work: Path,
    *,
    progress: Progress = lambda _what, _count: None,
) -> Replayed:
    """Make a version again, and compare.

    Args:
        version: its folder.
        tables: the newest version of each.
        into: an empty folder; the files that were made stay there.
        work: another one, for what is spilled.
        progress: see assembling.

    Raises:
        VersionsError: the manifest cannot be read, or is not one of a cut; or something it names cannot be read; or
            what says which examples the gates took out was changed.
        DatasetError: the manifest is of another release.
        PoolError: a source's file is no longer what it was.
    """
    manifest = _manifest(version)
    recipe = _recipe(version, manifest)
    found = Replayed(
        changed=changed_files(Version(recipe.signature, version.name, version)), notes=_notes(manifest, tables)
    )
    _insist_on_lists(version, found.changed)
    try:
        made = assemble(
            recipe,
            tables,
            _sources(version, manifest),
            work,
            rows=manifest["rows"],
            scorer=load_scorer(recipe.difficulty_scorer),
            progress=progress,
        )
        if made.edits.is_other:
            found.changed.append(
                f"{edits_path(version.parent)}: the edits were changed since, by an erasure or by hand; examples that "
                "differ may come from that"
            )
        progress("writing", 0)
        examples = _chosen(made, version)
        write_examples(into, examples)
        found.examples = examples.height
        progress("comparing", 0)
        _compare(found, version, into, manifest["files"])
    except OSError as error:
        raise VersionsError(f"{error.filename or into}: {error.strerror}") from error
    return found


def _manifest(version: Path) -> dict[str, Any]:
    path = version / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise VersionsError(f"{path}: cannot be read ({error.strerror}); headrace versions ls names versions") from None
    except ValueError:
        raise VersionsError(f"{path}: is no JSON; the version is damaged") from None
    if not isinstance(manifest, dict) or (missing := [name for name in _MADE_OF if name not in manifest]):
        raise VersionsError(f"{path}: is no manifest of a cut, it lacks {missing[0]}")
    return manifest


def _insist_on_lists(version: Path, changed: list[str]) -> None:
    for line in changed:
        if line.startswith(("set_aside.jsonl: ", "provenance.jsonl: ")):
            raise VersionsError(
                f"{version / line}; by it examples are left out, so nothing can be compared: put the file back"
            )


def _recipe(version: Path, manifest: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe.of(manifest["recipe"])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise VersionsError(
            f"{version / MANIFEST}: recipe.{where}: {first['msg']}; it was made by headrace {manifest['headrace']}"
        ) from None


def _sources(version: Path, manifest: Mapping[str, Any]) -> Sources:
    return Sources(
        version.parent.parent,
        version.parent,
        pools=manifest["sources"],
        edits=manifest.get("edits"),
        places=Places(manifest["offsets"], manifest["sighting_offsets"], manifest["feedback_offsets"]),
    )


def _notes(manifest: Mapping[str, Any], tables: Tables) -> list[str]:
    notes = []
    for name, table in (
        ("interactions", tables.interactions),
        ("sightings", tables.sightings),
        ("feedback", tables.feedback),
    ):
        was = manifest["tables"].get(name)
        if was is not None and table is None:
            notes.append(f"the table of {name} is not there any more; check dataset.path")
        elif was is not None and table is not None and table.id != was["id"]:
            notes.append(f"the table of {name} is another one than then: {table.id}, not {was['id']}")
    if manifest.get("erased"):
        notes.append(f"the version was rewritten by {len(manifest['erased'])} erasures")
    return notes


def _chosen(made: Assembled, version: Path) -> pl.DataFrame:
    """Return the examples without those that the version's gates set aside, and of many those that were drawn."""
    examples, recipe = made.examples, made.recipe
    aside = [
        line["key"] for line in _lines(version / "set_aside.jsonl") if line["gate"] not in _BEFORE_GATES
    ]  # of these a key has no other example
    if aside:
        examples = examples.filter(~pl.col("key").is_in(aside))
    if recipe.most is None:
        return examples
    had = {line["example_id"] for line in _lines(version / "provenance.jsonl")}
    is_drawn = drawn(examples, recipe.most, recipe.difficulties.model_dump(), recipe.thresholds.max_share_per_source)
    # Where rows are gone others would be drawn in their place; what is asked is which of the version's are left.
    again = examples.filter(is_drawn)
    return again if set(again["example_id"]) == had else examples.filter(pl.col("example_id").is_in(list(had)))


def _compare(found: Replayed, version: Path, made: Path, files: Mapping[str, Any]) -> None:
    for split in SPLITS:
        name, rows = f"{split}.jsonl", f"{split}.parquet"
        is_made_again = _is_same(made, name, files)
        found.files[name] = is_made_again and not _is_in(found.changed, name)
        found.files[rows] = not _is_in(found.changed, rows) and (
            _is_same(made, rows, files) or (is_made_again and _are_same_rows(version, made, split))
        )
        if not is_made_again:
            _tell_apart(found, version / name, made / name)
    found.files["provenance.jsonl"] = _is_same(made, "provenance.jsonl", files)
    if found.gone:
        _name_places(found, version / "provenance.jsonl")


def _is_in(changed: list[str], name: str) -> bool:
    return any(line.startswith(f"{name}: ") for line in changed)


def _is_same(folder: Path, name: str, files: Mapping[str, Any]) -> bool:
    return name in files and facts_of(folder / name)["sha256"] == files[name]["sha256"]


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
    before, after = _lines(was), _lines(now)
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
    places = {line["example_id"]: line["metadata"] for line in _lines(provenance) if line["example_id"] in ids}
    found.gone = [
        Gone(gone.example_id, gone.source, *(places.get(gone.example_id, {}).get(name) for name in _PLACE))
        for gone in found.gone
    ]


_PLACE: Final = ("topic", "partition", "offset")


def _lines(path: Path) -> Iterator[dict[str, Any]]:
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
