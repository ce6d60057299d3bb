"""The table's columns, and kept records as rows of them."""

from typing import Final

import polars as pl
import pyarrow as pa

from headrace_schemas import Registry

__all__ = ["PARTITION_COLUMN", "ROW_SCHEMA", "to_rows"]

PARTITION_COLUMN: Final = "ingest_date"

_ARROW_TYPES: Final = {
    "string": pa.string(),
    "long": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
}


def _interaction_fields() -> list[pa.Field]:
    fields = []
    for field in Registry().current("headrace.v1.Interaction")["fields"]:
        optional = isinstance(field["type"], list)
        avro_type = field["type"][1] if optional else field["type"]
        fields.append(pa.field(field["name"], _ARROW_TYPES[avro_type], nullable=optional))
    return fields


ROW_SCHEMA: Final = pa.schema(
    [
        *_interaction_fields(),
        pa.field("quality", pa.float64(), nullable=False),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("topic_id", pa.string(), nullable=False),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("ingested_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field(PARTITION_COLUMN, pa.date32(), nullable=False),
    ]
)
"""The interaction's fields in the contract's order, then the score, where the record stood in Kafka, and when Kafka
took it in (the broker's clock; also the date by which the table is partitioned)."""


_FIRST_MS: Final = -62_135_596_800_000
_LAST_MS: Final = 253_402_300_799_999
"""The years 1 to 9999: Python and Parquet's readers know no other."""


def to_rows(kept: pl.DataFrame, topic: str, topic_id: str) -> tuple[pa.Table, list[tuple[int, int]]]:
    """Return the kept records as a table of ROW_SCHEMA, sorted by signature, partition and offset.

    Args:
        kept: KEPT_SCHEMA.
        topic: its name.
        topic_id: its id.

    Returns:
        The table, and the (partition, offset) of records from which no row can be built.
    """
    is_dated = kept["append_time_ms"].is_between(_FIRST_MS, _LAST_MS).fill_null(value=False)
    culprits = kept.filter(~is_dated).select("partition", "offset").rows()
    rows = (
        (kept.filter(is_dated) if culprits else kept)
        .sort("signature", "partition", "offset")
        .with_columns(
            pl.lit(topic).alias("topic"),
            pl.lit(topic_id).alias("topic_id"),
            pl.from_epoch("append_time_ms", "ms")
            .dt.cast_time_unit("us")
            .dt.replace_time_zone("UTC")
            .alias("ingested_at"),
        )
        .with_columns(pl.col("ingested_at").dt.date().alias(PARTITION_COLUMN))
        .select(ROW_SCHEMA.names)
    )
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(ROW_SCHEMA), culprits
