"""A version in the formats of others: a folder that is there whole or not at all, a file a split.

    v<N>/*.parquet, hashes checked --rows--> format --> .<name>.<random>/ --rename--> <name>/

    jsonl          a row a line: the fields, then what is known of the example (`headrace_label` ...)
    csv            the same as a table; a value that is no text is JSON
    hf             the same as Parquet, with the README.md by which Hugging Face's `datasets.load_dataset` finds splits
    openai-chat    a conversation a line, {"messages": [...]}: what OpenAI's fine-tuning takes

A field that is an input and an output is `<name>` and `<name>_output`.
"""

import csv
import io
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeAlias

import pyarrow.parquet as pq

from headrace.datasets.place import Version
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.exporting.chat import Messages, plain_messages
from headrace_consumers.versions.exporting.columns import Columns, flat
from headrace_consumers.versions.files.disk import FILE_MODE, FOLDER_MODE, fsync_folder, make_folder, write_file
from headrace_consumers.versions.shelf.listing import changed_files
from headrace_schemas import canonical
from headrace_schemas.dataset_files import SPLITS
from headrace_schemas.dataset_manifest import METADATA

__all__ = ["Format", "export"]

Format: TypeAlias = Literal["hf", "openai-chat", "jsonl", "csv"]

_ROWS: Final = 4_096
_NAMES: Final = {"train": "train", "val": "validation", "test": "test"}
"""Hugging Face's names of the splits."""


def export(version: Version, to: Path, form: Format, messages: Messages = plain_messages) -> dict[str, int]:
    """Write a version's examples into a new folder, and return how many by file.

    Args:
        version: which.
        to: the folder, which is not there yet.
        form: the format.
        messages: of openai-chat: makes a conversation of inputs and outputs.

    Raises:
        VersionsError: the folder is there, the version was changed, or the disk refuses; nothing is left then.
        DatasetError: the version's manifest is damaged.
    """
    if to.exists():
        raise VersionsError(f"{to}: is there already; give a folder that is not, or remove it")
    if wrong := changed_files(version):
        raise VersionsError(f"{version.path}: {wrong[0]}")
    staged = to.with_name(f".{to.name}.{secrets.token_hex(8)}")
    try:
        make_folder(to.absolute().parent)
        staged.mkdir(mode=FOLDER_MODE)
        counts = _FORMATS[form](version, staged, messages)
        fsync_folder(staged)
        staged.rename(to)
        fsync_folder(to.absolute().parent)
    except OSError as error:
        raise VersionsError(f"{error.filename or to}: {error.strerror}; nothing was exported") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return counts


def _jsonl(version: Version, folder: Path, _: Messages) -> dict[str, int]:
    return _lines(version, folder, flat)


def _openai_chat(version: Version, folder: Path, messages: Messages) -> dict[str, int]:
    return _lines(version, folder, lambda row: {"messages": messages(row["inputs"], row["outputs"])})


def _lines(version: Version, folder: Path, line: Callable[[dict[str, Any]], Any]) -> dict[str, int]:
    counts = {}
    for split in SPLITS:
        with _new(folder / f"{split}.jsonl") as file:
            counts[f"{split}.jsonl"] = 0
            for row in _examples(version, split):
                file.write(json.dumps(line(row), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
                counts[f"{split}.jsonl"] += 1
    return counts


def _csv(version: Version, folder: Path, _: Messages) -> dict[str, int]:
    columns = _columns(version)
    counts = {}
    for split in SPLITS:
        with _new(folder / f"{split}.csv") as raw:
            file = io.TextIOWrapper(raw, "utf-8", errors="backslashreplace", newline="")
            writer = csv.writer(file)
            writer.writerow(columns.names)
            counts[f"{split}.csv"] = 0
            for row in _examples(version, split):
                writer.writerow(columns.texts(flat(row)))
                counts[f"{split}.csv"] += 1
            file.detach()  # flushes, and leaves closing to whoever opened it
    return counts


def _hugging_face(version: Version, folder: Path, _: Messages) -> dict[str, int]:
    columns = _columns(version)
    schema = columns.schema()
    counts = {}
    (folder / "data").mkdir(mode=FOLDER_MODE)
    for split in SPLITS:
        name = f"data/{_NAMES[split]}.parquet"
        counts[name] = 0
        with _new(folder / name) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for rows in _batches(version, split):
                writer.write_table(columns.table([flat(row) for row in rows], schema))
                counts[name] += len(rows)
    fsync_folder(folder / "data")
    write_file(folder / "README.md", _dataset_card(version, columns, counts).encode())
    return counts


_FORMATS: Final[Mapping[str, Callable[[Version, Path, Messages], dict[str, int]]]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "hf": _hugging_face,
    "openai-chat": _openai_chat,
}


def _dataset_card(version: Version, columns: Columns, counts: Mapping[str, int]) -> str:
    """Return README.md: the splits for `datasets`, then the version's own card."""
    from headrace_consumers.versions.telling.card import card

    # A split without rows is left out: `datasets` refuses one.
    files = [f"  - split: {_NAMES[split]}\n    path: data/{_NAMES[split]}.parquet" for split in SPLITS]
    present = [each for each, count in zip(files, counts.values(), strict=True) if count]
    head = "\n".join(["---", "configs:", "- config_name: default", "  data_files:", *present, "---", ""])
    as_json = f"\nColumns that hold JSON texts: {', '.join(columns.as_json)}.\n" if columns.as_json else ""
    metadata = json.loads(version.content(METADATA))
    return f"{head}\n{card(metadata, version.manifest())}{as_json}"


def _columns(version: Version) -> Columns:
    columns = Columns()
    for split in SPLITS:
        for row in _examples(version, split):
            columns.note(flat(row))
    return columns


def _examples(version: Version, split: str) -> Iterator[dict[str, Any]]:
    for rows in _batches(version, split):
        yield from rows


def _batches(version: Version, split: str) -> Iterator[list[dict[str, Any]]]:
    with pq.ParquetFile(version.path / f"{split}.parquet") as file:
        for batch in file.iter_batches(_ROWS):
            yield [
                {**row, "inputs": canonical.loads(row["inputs"]), "outputs": canonical.loads(row["outputs"])}
                for row in batch.to_pylist()
            ]


@contextmanager
def _new(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file for the owner only; it is on disk when this ends well."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
