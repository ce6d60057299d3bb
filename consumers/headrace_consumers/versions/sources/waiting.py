"""Examples of sources other than telemetry, from where they wait, as rows of a cut.

    sources/<source>.jsonl, its first N bytes -> EXAMPLES without split; N and the hash of the bytes for the manifest

The key is made as a producer makes it: over the inputs that the signature's dedup policy counts. So inputs that two
sources share have one key. (With field encryption producers make keys of their own, with a secret, and nothing meets.)
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypedDict

import polars as pl

from headrace.dedup import Policies
from headrace_consumers.versions.files.examples import EXAMPLES
from headrace_consumers.versions.sources.pool import PoolContent, pool_path, read_pool
from headrace_schemas import canonical, keys
from headrace_schemas.dataset_files import SOURCES, Label, Source, SourceLine

__all__ = ["WAITING", "ReadBytes", "Waiting", "waiting"]

WAITING: Final[dict[str, pl.DataType]] = {
    **{name: kind for name, kind in EXAMPLES.items() if name not in ("example_id", "split")},
    "latency_ms": pl.Float64(),
    "lm_calls": pl.Int64(),
    "is_candidate": pl.Boolean(),
}
"""A row before it has a split: with what difficulty is told by."""

_ID_DIGITS: Final = 32

_LABELS: Final[Mapping[Source, Label]] = {
    "hand": "given",
    "import": "given",
    "git": "generated",
    "synthetic": "generated",
}


class ReadBytes(TypedDict):
    """A beginning of a file.

    Attributes:
        size_bytes: how much of it was read.
        sha256: of these bytes.
    """

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waited.

    Attributes:
        rows: WAITING; a key may be there several times.
        read: source -> what was read of its file; those without a file are absent.
        skipped: source -> lines that are no examples.
    """

    rows: pl.DataFrame
    read: dict[str, ReadBytes]
    skipped: dict[str, int]


def waiting(
    root: Path,
    signature: str,
    key_of: Callable[[dict[str, Any]], str],
    read: Mapping[str, ReadBytes] | None = None,
    left: Mapping[str, Collection[str]] | None = None,
) -> Waiting:
    """Return the examples that wait for a signature.

    Args:
        root: the folder of all versions.
        signature: its name.
        key_of: the key of an example, by its inputs.
        read: only what was read before, as a manifest has it; None: all that is there.
        left: source -> ids of examples; of these sources all that is there and has one of the ids.

    Raises:
        PoolError: a file cannot be read, or is no longer what the manifest says.
    """
    frames: list[pl.DataFrame] = []
    found: dict[str, ReadBytes] = {}
    skipped: dict[str, int] = {}
    left = left or {}
    for source in SOURCES:
        if source == "telemetry" or (read is not None and source not in read and source not in left):
            continue
        beginning = None if read is None or source in left else read[source]
        content = _content(pool_path(root, signature, source), beginning)
        if content.length_bytes:
            found[source] = ReadBytes(size_bytes=content.length_bytes, sha256=content.sha256)
            rows = _rows(source, content.lines, key_of)
            if source in left:
                rows = rows.filter(pl.col("key").str.slice(0, _ID_DIGITS).is_in(list(left[source])))
            frames.append(rows)
        if content.skipped or content.torn_bytes:
            skipped[source] = len(content.skipped) + (content.torn_bytes > 0)
    return Waiting(pl.concat([pl.DataFrame(schema=WAITING), *frames]), found, skipped)


def key_maker(signature: str, fields_hash: str, policies: Policies) -> Callable[[dict[str, Any]], str]:
    """Return what makes the key of a waiting example's inputs, as the producer of the signature's records does."""

    def key_of(given: dict[str, Any]) -> str:
        counted = policies.counted(signature, given)
        # Where each call is an example of its own, equal inputs of a source still are one example.
        inputs = given if counted.inputs is None else counted.inputs
        return keys.dedup_key(signature, fields_hash, canonical.dumps(inputs))

    return key_of


def _content(path: Path, read: ReadBytes | None) -> PoolContent:
    if read is None:
        return read_pool(path)
    return read_pool(path, length_bytes=read["size_bytes"], sha256=read["sha256"])


def _rows(source: Source, lines: list[SourceLine], key_of: Callable[[dict[str, Any]], str]) -> pl.DataFrame:
    columns: dict[str, object] = {
        "key": [key_of(line["inputs"]) for line in lines],
        "inputs": [canonical.dumps(line["inputs"]).decode() for line in lines],
        "outputs": [canonical.dumps(line["outputs"]).decode() for line in lines],
        "category": [line["category"] for line in lines],
        "difficulty": [line["difficulty"] for line in lines],
        "timestamp_ms": [line["timestamp_ms"] for line in lines],
        "provenance": [canonical.dumps(line["metadata"]).decode() for line in lines],
    }
    frame = pl.DataFrame(columns, schema={name: WAITING[name] for name in columns})
    return frame.select(*(_constant(name, source) if name not in columns else pl.col(name) for name in WAITING))


def _constant(name: str, source: Source) -> pl.Expr:
    values: dict[str, object] = {
        "source": source, "label": _LABELS[source], "weight": 1.0, "times_seen": 1, "is_candidate": False,
    }  # fmt: skip
    return pl.lit(values.get(name), dtype=WAITING[name]).alias(name)
