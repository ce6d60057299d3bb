"""The table's columns, and kept records as rows of them."""

from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.place import FIRST_MS, LAST_MS, PLACE_FIELDS, to_arrow, with_place
from headrace_schemas import Registry

__all__ = ["INTERACTIONS", "ROW_SCHEMA", "dated", "to_rows"]

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
        *PLACE_FIELDS,
    ]
)
"""The interaction's fields in the contract's order, then the score, and where the record stood in Kafka."""

_DICTIONARY: Final = (
    "service", "environment", "instance", "module_name", "module_version", "signature", "fields_hash", "program_hash",
    "model", "error_type", "capture_level", "keep_reason", "redaction_version", "dedup_policy", "topic", "topic_id",
)  # fmt: skip

INTERACTIONS: Final = Layout(
    "headrace interactions",
    ROW_SCHEMA,
    order=("signature", "partition", "offset"),
    bounded=("signature", "topic_id", "partition", "offset", "timestamp_ms"),
    dictionary=_DICTIONARY,
)


def dated(kept: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, int]]]:
    """Return the records that have a date, and the (partition, offset) of those from which no row can be built.

    Args:
        kept: KEPT_SCHEMA.
    """
    is_dated = kept["append_time_ms"].is_between(FIRST_MS, LAST_MS).fill_null(value=False)
    if is_dated.all():
        return kept, []
    return kept.filter(is_dated), kept.filter(~is_dated).select("partition", "offset").rows()


def to_rows(kept: pl.DataFrame, topic: str, topic_id: str) -> pa.Table:
    """Return kept records as a table of ROW_SCHEMA, sorted by signature, partition and offset.

    Args:
        kept: KEPT_SCHEMA; each has a date.
        topic: its name.
        topic_id: its id.
    """
    return to_arrow(with_place(_sorted(kept), topic, topic_id), ROW_SCHEMA)


def _sorted(kept: pl.DataFrame) -> pl.DataFrame:
    partitions, offsets = np.diff(kept["partition"].to_numpy()), np.diff(kept["offset"].to_numpy())
    if ((partitions > 0) | (partitions == 0) & (offsets > 0)).all():  # as a batch is; half the time
        return kept.sort("signature", maintain_order=True)
    return kept.sort(*INTERACTIONS.order)
