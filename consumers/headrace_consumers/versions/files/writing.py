"""The files of a version, written into a folder a slice at a time, on disk before it is published."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import polars as pl
import pyarrow.parquet as pq

from headrace_consumers.versions.files.disk import FILE_MODE
from headrace_consumers.versions.files.examples import PARQUET_SCHEMA, example_lines, provenance_lines, to_parquet_rows
from headrace_schemas.dataset_files import SPLITS
from headrace_schemas.dataset_manifest import FileFacts

__all__ = ["facts_of", "write_examples", "write_json", "write_set_aside"]

_SLICE: Final = 16_384
_PARQUET: Final[Mapping[str, Any]] = {
    "compression": "zstd",
    "use_dictionary": ["source", "label", "category", "difficulty"],
    "write_statistics": ["key", "timestamp_ms"],
}
_CHUNK_BYTES: Final = 1_048_576


def write_examples(folder: Path, examples: pl.DataFrame) -> None:
    """Write each split's JSON Lines and Parquet, and the provenance of all; OSError passes through.

    Args:
        folder: of the version, still private.
        examples: EXAMPLES, sorted by key.
    """
    for split in SPLITS:
        some = examples.filter(pl.col("split") == split)
        with (
            _new(folder / f"{split}.jsonl") as lines,
            _new(folder / f"{split}.parquet") as rows,
            pq.ParquetWriter(rows, PARQUET_SCHEMA, **_PARQUET) as writer,
        ):
            for part in some.iter_slices(_SLICE):
                lines.write(example_lines(part))
                writer.write_table(to_parquet_rows(part))
    with _new(folder / "provenance.jsonl") as lines:
        for part in examples.iter_slices(_SLICE):
            lines.write(provenance_lines(part))


def write_set_aside(folder: Path, aside: pl.DataFrame) -> None:
    """Write what was taken out and why, sorted by key; OSError passes through.

    Args:
        folder: of the version, still private.
        aside: SET_ASIDE.
    """
    with _new(folder / "set_aside.jsonl") as lines:
        for row in aside.sort("key", "source", "gate", "reason").iter_rows(named=True):
            lines.write(json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a new file of indented JSON for people and programs; OSError passes through."""
    with _new(path) as file:
        file.write(json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n")


def facts_of(path: Path) -> FileFacts:
    """Return a file's hash and size; OSError passes through."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return FileFacts(sha256=digest.hexdigest(), size_bytes=size)


@contextmanager
def _new(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file for the owner only; it is on disk when this ends well."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
