"""The files of a version once more, without some of its examples; a slice in memory at a time."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from headrace.datasets.place import Version
from headrace_consumers.versions.files.disk import FILE_MODE, write_file
from headrace_schemas.dataset_files import LABELS, SPLITS
from headrace_schemas.dataset_manifest import METADATA

__all__ = ["id_of", "rewrite"]

_ID: Final = re.compile(rb'"example_id":"([0-9a-f]{32})"')
"""Canonical JSON sorts its members: in a line of an example only the category and the difficulty come before it, and a
quote inside a text is escaped. So the first match is the example's own."""
_ROWS: Final = 16_384


def rewrite(version: Version, new: Path, example_ids: Collection[str], aside_ids: Collection[str | None]) -> None:
    """Write all files but manifest and card into a folder, on disk.

    OSError and pyarrow's errors pass through.

    Args:
        version: which; its files are those that its manifest names.
        new: an empty folder.
        example_ids: of the examples that are left out.
        aside_ids: of lines of set_aside.jsonl that are left out.
    """
    wanted = set(example_ids)
    splits: dict[str, Any] = {}
    qualities: list[float] = []
    seen = 0
    for split in SPLITS:
        _lines(version.path / f"{split}.jsonl", new / f"{split}.jsonl", lambda line: id_of(line) not in wanted)
        counts = _rows(version.path / f"{split}.parquet", new / f"{split}.parquet", wanted)
        seen += counts.seen
        qualities += counts.qualities
        splits[split] = counts.figures
    _lines(version.path / "provenance.jsonl", new / "provenance.jsonl", lambda line: id_of(line) not in wanted)
    aside: Counter[str] = Counter()
    if (version.path / "set_aside.jsonl").exists():
        _lines(
            version.path / "set_aside.jsonl", new / "set_aside.jsonl", lambda line: id_of(line) not in aside_ids, aside
        )
    metadata: dict[str, Any] = json.loads(version.content(METADATA))
    metadata |= {"examples": sum(each["examples"] for each in splits.values()), "splits": splits}
    # Only what is there is told anew: the cut decides which figures there are.
    told = {
        "label_shares": {split: _shares(each["labels"], each["examples"]) for split, each in splits.items()},
        "set_aside": dict(sorted(aside.items(), key=lambda item: (-item[1], item[0]))),
        "times_seen": seen,
        "mean_quality": sum(qualities) / len(qualities) if qualities else None,
    }
    metadata |= {name: value for name, value in told.items() if name in metadata}
    write_file(new / METADATA, json.dumps(metadata, ensure_ascii=False, indent=2).encode() + b"\n")


def _shares(labels: Mapping[str, int], examples: int) -> dict[str, float]:
    return {label: round(labels.get(label, 0) / examples, 6) if examples else 0.0 for label in LABELS}


class _Counts:
    """What was left in a split."""

    def __init__(self) -> None:
        self.qualities: list[float] = []
        self.seen = 0
        self.examples = 0
        self.by: dict[str, Counter[str]] = {name: Counter() for name in ("source", "label", "difficulty", "category")}

    def add(self, row: dict[str, Any]) -> None:
        self.examples += 1
        for name, counter in self.by.items():
            counter[row[name] or ""] += 1
        if row["quality"] is not None:
            self.qualities.append(row["quality"])
        if row["source"] == "telemetry":
            self.seen += row["times_seen"]

    @property
    def figures(self) -> dict[str, Any]:
        names = {"source": "sources", "label": "labels", "difficulty": "difficulties", "category": "categories"}
        by = {names[name]: dict(sorted(counter.items())) for name, counter in self.by.items()}
        return {"examples": self.examples, **by}


def _rows(source: Path, target: Path, example_ids: set[str]) -> _Counts:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    counts = _Counts()
    going = pa.array(sorted(example_ids), pa.string())
    told = [*counts.by, "quality", "times_seen"]
    with pq.ParquetFile(source) as rows:
        schema = rows.schema_arrow
        with _new(target) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for batch in rows.iter_batches(_ROWS):
                is_going = pc.is_in(batch["example_id"].cast(pa.string()), value_set=going)
                kept = batch.filter(pc.invert(is_going))
                writer.write_table(pa.Table.from_batches([kept], schema))
                for row in kept.select(told).to_pylist():
                    counts.add(row)
    return counts


def _lines(source: Path, target: Path, is_kept: Callable[[bytes], bool], gates: "Counter[str] | None" = None) -> None:
    with source.open("rb") as lines, _new(target) as file:
        for line in lines:
            if is_kept(line):
                file.write(line)
                if gates is not None:
                    gates[str(json.loads(line).get("gate", ""))] += 1


def id_of(line: bytes) -> str | None:
    """Return the id of the example that a line is of, None where it names none."""
    match = _ID.search(line)
    return None if match is None else match[1].decode()


@contextmanager
def _new(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file for the owner only; it is on disk when this ends well."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
