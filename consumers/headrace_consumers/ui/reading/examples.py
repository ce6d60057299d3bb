"""The examples of a version, a page at a time in the order of their keys, and what its gates set aside.

A version never changes but by an erasure, which puts another folder in its place; so what was found out about one is
kept by the times of its files.
"""

import json
import mmap
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from headrace.datasets.place import Version
from headrace.errors import DatasetError
from headrace_consumers.ui.page import NothingThereError
from headrace_consumers.ui.sources import Sources
from headrace_consumers.versions.shelf.listing import changed_files
from headrace_schemas.dataset_files import SPLITS

__all__ = [
    "CHOICES",
    "PAGE_EXAMPLES",
    "Aside",
    "ExamplePage",
    "aside",
    "checked",
    "example",
    "examples",
    "insist_on_sizes",
    "scan",
    "stamp",
]

PAGE_EXAMPLES: Final = 50
CHOICES: Final = ("split", "label", "source", "difficulty", "category")
"""By which examples can be chosen."""

_ASIDE: Final = {name: pl.String() for name in ("example_id", "key", "source", "gate", "reason")}
_PAYLOADS: Final = ("inputs", "outputs")


@dataclass(frozen=True, slots=True)
class ExamplePage:
    """Some examples.

    Attributes:
        examples: an ExampleLine's members and `split`; inputs and outputs as objects.
        after: the key behind which the next ones are; None: there are none.
    """

    examples: list[dict[str, Any]]
    after: str | None


@dataclass(frozen=True, slots=True)
class Aside:
    """What was set aside.

    Attributes:
        gates: gate -> examples.
        rows: some of them: example_id, source, gate, reason.
        chosen: how many the rows are of.
    """

    gates: dict[str, int]
    rows: list[dict[str, Any]]
    chosen: int


def examples(version: Version, choice: Mapping[str, str], text: str = "", after: str = "") -> ExamplePage:
    """Return a page of a version's examples, by key.

    Args:
        version: which.
        choice: of CHOICES -> value; an empty category is one's own.
        text: only those whose inputs or outputs hold it, whatever the case of ASCII letters.
        after: only those behind this key.

    OSError and polars' errors pass through.
    """
    rows = scan(version.path, choice.get("split"))
    for name in CHOICES[1:]:
        if name in choice:
            rows = rows.filter(pl.col(name).fill_null("") == choice[name])
    if after:
        rows = rows.filter(pl.col("key") > after)
    if text:
        written = json.dumps(text, ensure_ascii=False)[1:-1]
        holds = [pl.col(name).str.contains_any([written], ascii_case_insensitive=True) for name in _PAYLOADS]
        rows = rows.filter(pl.any_horizontal(holds))
    # Each file is sorted by key, so the first of each split hold the first of all.
    keys = rows.select("key").bottom_k(PAGE_EXAMPLES + 1, by="key").collect(engine="streaming")["key"].sort()
    shown = keys.head(PAGE_EXAMPLES)
    if shown.is_empty():
        return ExamplePage([], None)
    found = rows.filter(pl.col("key") <= shown[-1]).collect(engine="streaming").sort("key")
    return ExamplePage(
        [_as_objects(row) for row in found.to_dicts()], str(shown[-1]) if keys.len() > PAGE_EXAMPLES else None
    )


def example(version: Version, example_id: str) -> dict[str, Any]:
    """Return one example with its `split` and, as `provenance`, where it came from.

    Raises:
        NothingThereError: the version has no such example.

    OSError and polars' errors pass through.
    """
    # A condition on the sorted key, too, so that statistics spare most of the file.
    rows = scan(version.path).filter(
        (pl.col("key") >= example_id) & (pl.col("key") < example_id + "g") & (pl.col("example_id") == example_id)
    )
    found = rows.head(1).collect(engine="streaming").to_dicts()
    if not found:
        raise NothingThereError(f"{version.name} has no example {example_id[:64]}; a gate may have set it aside")
    return {**_as_objects(found[0]), "provenance": _provenance(version.path / "provenance.jsonl", example_id)}


def aside(version: Version, gate: str = "", first: int = 0, example_id: str = "") -> Aside:
    """Return what the gates of a version set aside.

    Args:
        version: which.
        gate: only of this one.
        first: leave out so many.
        example_id: only this one.

    OSError and polars' errors pass through.
    """
    path = version.path / "set_aside.jsonl"
    if not path.exists() or not path.stat().st_size:
        return Aside({}, [], 0)
    rows = pl.scan_ndjson(path, schema=_ASIDE)
    gates = dict(rows.group_by("gate").len().collect(engine="streaming").sort("len", descending=True).iter_rows())
    if gate:
        rows = rows.filter(pl.col("gate") == gate)
    if example_id:
        rows = rows.filter(pl.col("example_id") == example_id)
    chosen = rows.select(pl.len()).collect(engine="streaming").item() if example_id or not gate else gates.get(gate, 0)
    return Aside(gates, rows.slice(first, PAGE_EXAMPLES).collect().to_dicts(), chosen)


def checked(sources: Sources, version: Version) -> list[str]:
    """Return what is wrong with a version's files by their hashes; all of them are read, once.

    Raises:
        DatasetError: the manifest cannot be read.
    """
    return sources.kept(("files", version.path), stamp(version), lambda: changed_files(version))


def insist_on_sizes(version: Version) -> None:
    """Return if a version's files are as long as its manifest says; their hashes are for `checked`.

    Raises:
        DatasetError: one is not, or the manifest cannot be read. OSError passes through.
    """
    for name, facts in version.manifest()["files"].items():
        size_bytes = (version.path / name).stat().st_size
        if size_bytes != facts["size_bytes"]:
            raise DatasetError(
                f"{version.path / name}: has {size_bytes:,} bytes, its manifest says {facts['size_bytes']:,}; somebody "
                "changed it"
            )


def stamp(version: Version) -> Hashable:
    """Return what changes when a file of the version does; OSError passes through."""
    status = {each.name: each.stat() for each in version.path.iterdir()}
    return tuple(sorted((name, each.st_mtime_ns, each.st_size) for name, each in status.items()))


def scan(folder: Path, split: str | None = None) -> pl.LazyFrame:
    """Return the examples of a version's folder, or of one split, with `split`; hashes are not checked."""
    chosen = [each for each in SPLITS if split in (None, each)] or list(SPLITS)
    parts = [
        pl.scan_parquet(folder / f"{each}.parquet", glob=False).with_columns(split=pl.lit(each)) for each in chosen
    ]
    return pl.concat(parts, how="vertical_relaxed")


def _as_objects(row: dict[str, Any]) -> dict[str, Any]:
    return {name: json.loads(value) if name in _PAYLOADS else value for name, value in row.items()}


def _provenance(path: Path, example_id: str) -> dict[str, Any] | None:
    """Return the line of an example; each begins with its id, for it is canonical JSON."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at = content.find(f'{{"example_id":"{example_id}"'.encode())
            if at < 0:
                return None
            content.seek(at)
            line: dict[str, Any] = json.loads(content.readline())
            return line
