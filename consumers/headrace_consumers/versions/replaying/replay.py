"""A version made again from its manifest, and compared with what it was.

    manifest --> recipe, places in Kafka, bytes of the sources --assemble--> what was passed over gives way
    --> less what its gates set aside --> files
    each file's hash as the manifest has it: the same. Else: which examples are gone, and which are others. A file of
the version, the edits or a source's pool that are no longer what the manifest says are told: what differs may come from
them. Of such a pool the lines are taken that gave the version an example, as far as they are still there.

Gates are not asked again (one may have asked a model): what they took out stands in set_aside.jsonl, which is a file of
the version. Rows go from a table by retention and by erasure only, so an example of telemetry that is gone went so.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import ValidationError

from headrace.datasets.place import Version
from headrace_consumers.versions.cutting.assembling import Assembled, Progress, Sources, assemble
from headrace_consumers.versions.cutting.contested import put_back
from headrace_consumers.versions.cutting.drawing import drawn
from headrace_consumers.versions.cutting.merging import MERGED, SET_ASIDE
from headrace_consumers.versions.cutting.recipe import Recipe
from headrace_consumers.versions.cutting.scorer import load_scorer
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.files.refused import refused
from headrace_consumers.versions.files.writing import write_examples
from headrace_consumers.versions.hand.edits import edits_path
from headrace_consumers.versions.reading.tables import Tables
from headrace_consumers.versions.reading.telemetry import Places
from headrace_consumers.versions.replaying.comparing import Replayed, compare, lines_of
from headrace_consumers.versions.shelf.listing import changed_files
from headrace_consumers.versions.sources.pool import PoolChangedError, pool_path, read_pool
from headrace_schemas.dataset_manifest import MANIFEST

__all__ = ["replay"]

_MADE_OF: Final = ("headrace", "recipe", "tables", "rows", "offsets", "sighting_offsets", "feedback_offsets", "sources")
_BEFORE_GATES: Final = frozenset({MERGED, "excluded", "outputs", "candidate"})


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
        PoolError: a source's file cannot be read.
    """
    manifest = _manifest(version)
    recipe = _recipe(version, manifest)
    found = Replayed(
        changed=changed_files(Version(recipe.signature, version.name, version)), notes=_notes(manifest, tables)
    )
    _insist_on_lists(version, found.changed)
    try:
        over = _passed_over(version, recipe)
        scorer = load_scorer(recipe.difficulty_scorer)
        made = assemble(
            recipe,
            tables,
            _sources(version, manifest, found, over),
            work,
            rows=manifest["rows"],
            scorer=scorer,
            progress=progress,
        )
        made = put_back(made, over, scorer)
        if made.edits.is_other:
            found.beside.append(f"{edits_path(version.parent)}: the edits were changed since, by an erasure or by hand")
        progress("writing", 0)
        examples = _chosen(made, version)
        files = write_examples(into, examples)
        found.examples = examples.height
        progress("comparing", 0)
        compare(found, version, into, files, manifest["files"])
    except OSError as error:
        where = version if into.is_relative_to(version.parent) else into
        raise refused(Path(error.filename or where), "the version cannot be made again", error, into) from error
    if all(found.files.values()):
        found.notes += [f"{line}; nothing of the version hung on that" for line in found.beside]
    else:
        found.changed += [f"{line}; examples that differ may come from that" for line in found.beside]
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


def _passed_over(version: Path, recipe: Recipe) -> pl.DataFrame:
    """Return which examples gave way to others with the same inputs when the version was cut, SET_ASIDE."""
    lines = lines_of(version / "set_aside.jsonl") if recipe.fitting_first else ()
    return pl.DataFrame([line for line in lines if "content_hash" in line], schema=SET_ASIDE)


def _sources(version: Path, manifest: Mapping[str, Any], found: Replayed, over: pl.DataFrame) -> Sources:
    pools, left = dict(manifest["sources"]), {}
    for source, read in manifest["sources"].items():
        path = pool_path(version.parent.parent, manifest["recipe"]["signature"], source)
        try:
            read_pool(path, length_bytes=read["size_bytes"], sha256=read["sha256"])
        except PoolChangedError:
            found.beside.append(f"{path}: was changed since, by an erasure or by hand")
            left[source] = _ids_of(version, source)
            del pools[source]
    return Sources(
        version.parent.parent,
        version.parent,
        pools=pools,
        left=left,
        edits=manifest.get("edits"),
        places=Places(manifest["offsets"], manifest["sighting_offsets"], manifest["feedback_offsets"]),
        contested=frozenset(over["key"]),
    )


def _ids_of(version: Path, source: str) -> frozenset[str]:
    """Return the ids of all that a source gave: what stands, and what was set aside."""
    files = (version / "provenance.jsonl", version / "set_aside.jsonl")
    return frozenset(line["example_id"] for path in files for line in lines_of(path) if line["source"] == source)


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
        line["key"]
        for line in lines_of(version / "set_aside.jsonl")
        if line["gate"] not in _BEFORE_GATES and "content_hash" not in line
    ]  # of these a key has no other example
    if aside:
        examples = examples.filter(~pl.col("key").is_in(aside))
    if recipe.most is None:
        return examples
    had = {line["example_id"] for line in lines_of(version / "provenance.jsonl")}
    is_drawn = drawn(examples, recipe.most, recipe.difficulties.model_dump(), recipe.thresholds.max_share_per_source)
    # Where rows are gone others would be drawn in their place; what is asked is which of the version's are left.
    again = examples.filter(is_drawn)
    return again if set(again["example_id"]) == had else examples.filter(pl.col("example_id").is_in(list(had)))
