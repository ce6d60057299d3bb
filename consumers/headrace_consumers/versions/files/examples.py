"""The frame of a cut: an example a row, its inputs and outputs as canonical JSON texts, so that no row costs an object.

rows of the table, other sources -> EXAMPLES, sorted by key -> gates -> lines and Parquet of a version
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from headrace_consumers.versions.files import json_text
from headrace_schemas import keys
from headrace_schemas.dataset_files import SPLITS, Split

__all__ = [
    "EXAMPLES",
    "EXAMPLE_COLUMNS",
    "PARQUET_SCHEMA",
    "example_lines",
    "provenance_lines",
    "read_split",
    "split_of",
    "to_parquet_rows",
]

EXAMPLES: Final[dict[str, pl.DataType]] = {
    "example_id": pl.String(),
    "key": pl.String(),
    "inputs": pl.String(),
    "outputs": pl.String(),
    "source": pl.String(),
    "label": pl.String(),
    "category": pl.String(),
    "difficulty": pl.String(),
    "quality": pl.Float64(),
    "weight": pl.Float64(),
    "times_seen": pl.Int64(),
    "timestamp_ms": pl.Int64(),
    "provenance": pl.String(),
    "split": pl.String(),
}
"""`dataset_files.ExampleLine`, then the provenance's metadata as a canonical JSON text, and the split."""

EXAMPLE_COLUMNS: Final = tuple(name for name in EXAMPLES if name not in ("provenance", "split"))
"""Those of a line and of the Parquet files."""

PARQUET_SCHEMA: Final = pa.schema(
    [
        pa.field(
            name,
            {pl.String(): pa.string(), pl.Float64(): pa.float64(), pl.Int64(): pa.int64()}[EXAMPLES[name]],
            nullable=name in ("category", "quality"),
        )
        for name in EXAMPLE_COLUMNS
    ]
)


def split_of(key: pl.Series, shares: tuple[float, float, float]) -> pl.Series:
    """Return the split of each key: `keys.split_hash` against the shares, added up.

    Args:
        key: 64 hex digits each.
        shares: of train, val and test; together 1.
    """
    hashes = np.frombuffer(keys.split_digests(key), dtype=">u8")[:: keys.DIGEST_WORDS].astype(np.uint64)
    train, val, _ = shares
    is_train = _below(hashes, train)
    is_val = _below(hashes, train + val)
    chosen = np.where(is_train, 0, np.where(is_val, 1, 2))
    return pl.Series("split", np.array(SPLITS)[chosen], dtype=pl.String)


def _below(
    hashes: "np.ndarray[tuple[int], np.dtype[np.uint64]]", share: float
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    threshold = int(share * 2.0**64)  # as `keys.is_below_rate` has it
    if threshold >= 2**64:
        return np.ones(len(hashes), dtype=np.bool_)
    below: np.ndarray[tuple[int], np.dtype[np.bool_]] = hashes < np.uint64(threshold)
    return below


def example_lines(examples: pl.DataFrame) -> bytes | memoryview:
    """Return the examples as lines of `ExampleLine`, canonical JSON, in the frame's order."""
    return json_text.lines(
        examples,
        {
            "category": json_text.text("category"),
            "difficulty": json_text.text("difficulty"),
            "example_id": json_text.plain("example_id"),
            "inputs": json_text.raw("inputs"),
            "key": json_text.plain("key"),
            "label": json_text.plain("label"),
            "outputs": json_text.raw("outputs"),
            "quality": json_text.number("quality"),
            "source": json_text.plain("source"),
            "times_seen": json_text.integer("times_seen"),
            "timestamp_ms": json_text.integer("timestamp_ms"),
            "weight": json_text.number("weight"),
        },
    )


def provenance_lines(examples: pl.DataFrame) -> bytes | memoryview:
    """Return the examples as lines of `ProvenanceLine`, canonical JSON, in the frame's order."""
    return json_text.lines(
        examples.with_columns(timestamp=json_text.iso_time("timestamp_ms")),
        {
            "example_id": json_text.plain("example_id"),
            "metadata": json_text.raw("provenance"),
            "source": json_text.plain("source"),
            "timestamp": json_text.plain("timestamp"),
        },
    )


def to_parquet_rows(examples: pl.DataFrame) -> pa.Table:
    """Return the examples as rows of PARQUET_SCHEMA, in the frame's order."""
    return examples.select(EXAMPLE_COLUMNS).to_arrow().cast(PARQUET_SCHEMA)


def read_split(folder: Path, split: Split, rows: int = 20_000) -> Iterator[pl.DataFrame]:
    """Yield the examples of a version's Parquet file, `EXAMPLE_COLUMNS`, at most so many at once.

    OSError and pyarrow's errors pass through.

    Args:
        folder: of the version.
        split: which.
        rows: at most so many at once.
    """
    with pq.ParquetFile(folder / f"{split}.parquet") as file:
        for batch in file.iter_batches(batch_size=rows, columns=list(EXAMPLE_COLUMNS)):
            yield pl.DataFrame(batch)
