"""The files of a version, written into a folder a slice at a time, on disk and hashed before it is published.

slice --split--> lines, Parquet        a slice's files are written at the same time, each by a thread
      --------> provenance
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

import polars as pl
import pyarrow.parquet as pq

from headrace_consumers.versions.files.disk import FILE_MODE
from headrace_consumers.versions.files.examples import PARQUET_SCHEMA, example_lines, provenance_lines, to_parquet_rows
from headrace_schemas.dataset_files import SPLITS
from headrace_schemas.dataset_manifest import FileFacts

__all__ = ["facts_of", "write_examples", "write_json", "write_set_aside"]

_SLICE: Final = 32_768
_AHEAD: Final = 1
"""So many slices may wait for a thread that is behind the others; they take memory."""

_PARQUET: Final[Mapping[str, Any]] = {
    "compression": "zstd",
    "use_dictionary": ["source", "label", "category", "difficulty"],
    "write_statistics": ["key", "timestamp_ms"],
}
_CHUNK_BYTES: Final = 1_048_576
_UNSYNCED_BYTES: Final = 64 << 20
"""Once so much of a file is not on disk, it is brought there while the rest is made."""


class _Hashed:
    """A file that is written from its beginning to its end, and hashed on the way.

    Args:
        file: the file.
        beside: asks the disk for what was written so far, so that little is left for the end; None: nobody does.
    """

    def __init__(self, file: IO[bytes], beside: Executor | None = None) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._beside = beside
        self._syncing: Future[None] | None = None
        self._synced_bytes = 0
        self.size_bytes = 0
        self.closed = False

    def write(self, content: bytes | memoryview) -> int:
        """Write all of it; OSError passes through."""
        self._file.write(content)
        self._digest.update(content)
        size = len(content)
        self.size_bytes += size
        if self._beside is not None and self.size_bytes - self._synced_bytes >= _UNSYNCED_BYTES:
            self._sync_by(self._beside)
        return size

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        self._file.flush()

    def settle(self) -> None:
        """Wait for the disk where it was asked; OSError passes through, and no later call would tell of it."""
        if self._syncing is not None:
            self._syncing.result()

    def _sync_by(self, beside: Executor) -> None:
        if self._syncing is not None and not self._syncing.done():
            return
        self.settle()
        self._file.flush()
        self._syncing = beside.submit(os.fsync, self._file.fileno())
        self._synced_bytes = self.size_bytes

    def facts(self) -> FileFacts:
        return FileFacts(sha256=self._digest.hexdigest(), size_bytes=self.size_bytes)


def write_examples(folder: Path, examples: pl.DataFrame) -> dict[str, FileFacts]:
    """Write each split's JSON Lines and Parquet, and the provenance of all, and return their hashes.

    OSError passes through.

    Args:
        folder: of the version, still private.
        examples: EXAMPLES, sorted by key.
    """
    with ExitStack() as stack:
        disk = stack.enter_context(ThreadPoolExecutor(1))
        names = [f"{split}.{kind}" for split in SPLITS for kind in ("jsonl", "parquet")]
        files = {name: stack.enter_context(_new_hashed(folder / name, disk)) for name in (*names, "provenance.jsonl")}
        tables: dict[str, Any] = {
            split: stack.enter_context(pq.ParquetWriter(files[f"{split}.parquet"], PARQUET_SCHEMA, **_PARQUET))
            for split in SPLITS
        }

        def add_lines(parts: Mapping[str, pl.DataFrame]) -> None:
            for split, some in parts.items():
                files[f"{split}.jsonl"].write(example_lines(some))

        def add_rows(parts: Mapping[str, pl.DataFrame]) -> None:
            for split, some in parts.items():
                tables[split].write_table(to_parquet_rows(some))

        def add_provenance(part: pl.DataFrame) -> None:
            files["provenance.jsonl"].write(provenance_lines(part))

        # A thread for each of the three, so that none waits for another: Parquet takes longest.
        rows, lines, sources = (stack.enter_context(ThreadPoolExecutor(1)) for _ in range(3))
        under_way: deque[list[Future[None]]] = deque()
        for part in examples.iter_slices(_SLICE):
            parts = {str(split): some for (split,), some in part.partition_by("split", as_dict=True).items()}
            under_way.append(
                [rows.submit(add_rows, parts), lines.submit(add_lines, parts), sources.submit(add_provenance, part)]
            )
            if len(under_way) > _AHEAD:
                _wait_for(under_way.popleft())
        for each in under_way:
            _wait_for(each)
        for table in tables.values():
            table.close()
        return {name: file.facts() for name, file in files.items()}


def _wait_for(writes: Iterable[Future[None]]) -> None:
    for each in writes:
        each.result()


def write_set_aside(folder: Path, aside: pl.DataFrame) -> FileFacts:
    """Write what was taken out and why, sorted by key, and return its hash; OSError passes through.

    Args:
        folder: of the version, still private.
        aside: SET_ASIDE.
    """
    with _new_hashed(folder / "set_aside.jsonl") as lines:
        for row in aside.sort("key", "source", "gate", "reason", "content_hash").iter_rows(named=True):
            if row["content_hash"] is None:
                del row["content_hash"]
            lines.write(json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    return lines.facts()


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
def _new_hashed(path: Path, beside: Executor | None = None) -> Iterator[_Hashed]:
    with _new(path) as file:
        hashed = _Hashed(file, beside)
        try:
            yield hashed
        except BaseException:
            with suppress(OSError):  # what ended it says more
                hashed.settle()
            raise
        hashed.settle()


@contextmanager
def _new(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file for the owner only; it is on disk when this ends well."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
