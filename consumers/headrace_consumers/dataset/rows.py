"""The table's columns, and kept records as rows of them."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from headrace_consumers.dataset.decode import Unreadable
from headrace_consumers.dataset.message import Message
from headrace_consumers.dataset.select import Kept
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


def to_rows(kept: Sequence[Kept], topic: str, topic_id: str) -> tuple[pa.Table, list[tuple[Message, Unreadable]]]:
    """Return the kept records as a table of ROW_SCHEMA, sorted by signature, partition and offset.

    A record from which no row can be built is found by bisection and returned as a dead letter.
    """
    rows, culprits = _build(kept, topic, topic_id)
    order = [("signature", "ascending"), ("partition", "ascending"), ("offset", "ascending")]
    return rows.sort_by(order), culprits


def _build(kept: Sequence[Kept], topic: str, topic_id: str) -> tuple[pa.Table, list[tuple[Message, Unreadable]]]:
    try:
        return pa.Table.from_pylist([_row(item, topic, topic_id) for item in kept], schema=ROW_SCHEMA), []
    except (pa.ArrowException, ValueError, TypeError, OverflowError, UnicodeError) as error:
        if len(kept) == 1:
            culprit = Unreadable("unwritable", f"no row can be built from it ({type(error).__name__})")
            return ROW_SCHEMA.empty_table(), [(kept[0].message, culprit)]
    middle = len(kept) // 2
    first, first_culprits = _build(kept[:middle], topic, topic_id)
    second, second_culprits = _build(kept[middle:], topic, topic_id)
    return pa.concat_tables([first, second]), first_culprits + second_culprits


def _row(kept: Kept, topic: str, topic_id: str) -> dict[str, Any]:
    message = kept.message
    if message.append_time_ms is None:  # the decoder refuses these
        raise ValueError("no append time")
    ingested_at = dt.datetime.fromtimestamp(message.append_time_ms / 1000, tz=dt.UTC)
    return {
        **kept.record,
        "quality": kept.quality,
        "topic": topic,
        "topic_id": topic_id,
        "partition": message.partition,
        "offset": message.offset,
        "ingested_at": ingested_at,
        PARTITION_COLUMN: ingested_at.date(),
    }
