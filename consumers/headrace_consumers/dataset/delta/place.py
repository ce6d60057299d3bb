"""Where a row's message stood in Kafka, and when Kafka took it in: the last columns of every table."""

from typing import Final

import polars as pl
import pyarrow as pa

__all__ = ["FIRST_MS", "LAST_MS", "PARTITION_COLUMN", "PLACE_FIELDS", "to_arrow", "with_place"]

PARTITION_COLUMN: Final = "ingest_date"

PLACE_FIELDS: Final = (
    pa.field("topic", pa.string(), nullable=False),
    pa.field("topic_id", pa.string(), nullable=False),
    pa.field("partition", pa.int32(), nullable=False),
    pa.field("offset", pa.int64(), nullable=False),
    pa.field("ingested_at", pa.timestamp("us", tz="UTC"), nullable=False),
    pa.field(PARTITION_COLUMN, pa.date32(), nullable=False),
)
"""`ingested_at` is the broker's clock, and `ingest_date` its date, by which the table is partitioned."""

FIRST_MS: Final = -62_135_596_800_000
LAST_MS: Final = 253_402_300_799_999
"""The years 1 to 9999: Python and Parquet's readers know no other."""


def with_place(frame: pl.DataFrame, topic: str, topic_id: str) -> pl.DataFrame:
    """Return the frame with the place's columns.

    Args:
        frame: has `partition`, `offset` and `append_time_ms`, from FIRST_MS to LAST_MS.
        topic: its name.
        topic_id: its id.
    """
    ingested_at = pl.from_epoch("append_time_ms", "ms").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    return frame.with_columns(
        pl.lit(topic).alias("topic"), pl.lit(topic_id).alias("topic_id"), ingested_at.alias("ingested_at")
    ).with_columns(pl.col("ingested_at").dt.date().alias(PARTITION_COLUMN))


def to_arrow(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """Return the frame's columns of a schema as an Arrow table of it."""
    return frame.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
