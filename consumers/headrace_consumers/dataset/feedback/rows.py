"""The feedback table's columns, and feedback as rows of them."""

from collections.abc import Sequence
from typing import Final

import polars as pl
import pyarrow as pa

from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.place import FIRST_MS, LAST_MS, PLACE_FIELDS, to_arrow, with_place
from headrace_consumers.dataset.kafka.message import Message
from headrace_schemas import Feedback, Registry, keys

__all__ = ["FEEDBACK", "FEEDBACK_SCHEMA", "feedback_rows", "is_datable"]

_TYPES: Final = {
    "string": (pa.string(), pl.String()),
    "long": (pa.int64(), pl.Int64()),
    "double": (pa.float64(), pl.Float64()),
    "boolean": (pa.bool_(), pl.Boolean()),
}
_FIELDS: Final = tuple(
    (field["name"], *_TYPES[field["type"][1] if optional else field["type"]], optional)
    for field in Registry().current("headrace.v1.Feedback")["fields"]
    for optional in [isinstance(field["type"], list)]
)

FEEDBACK_SCHEMA: Final = pa.schema(
    [
        *(pa.field(name, arrow_type, nullable=optional) for name, arrow_type, _, optional in _FIELDS),
        pa.field("request_hash", pa.string(), nullable=False),
        *PLACE_FIELDS,
    ]
)
"""The feedback's fields in the contract's order, the request's hash as 64 hex digits, by which a sighting is found, and
where the record stood in Kafka. A `feedback_id` that comes twice is the same feedback."""


FEEDBACK: Final = Layout(
    "headrace feedback",
    FEEDBACK_SCHEMA,
    order=("partition", "offset"),
    bounded=("request_hash", "topic_id", "partition", "offset", "timestamp_ms"),
    dictionary=("module_name", "label", "service", "environment", "instance", "redaction_version", "topic", "topic_id"),
)


def is_datable(message: Message) -> bool:
    """Tell whether a row can be built from the message's time."""
    return message.append_time_ms is not None and FIRST_MS <= message.append_time_ms <= LAST_MS


def feedback_rows(readable: Sequence[tuple[Message, Feedback]], topic: str, topic_id: str) -> pa.Table:
    """Return a row for each feedback, FEEDBACK_SCHEMA, sorted by date, partition and offset.

    Args:
        readable: feedback with its message, which is datable.
        topic: its name.
        topic_id: its id.
    """
    frame = pl.DataFrame(
        [
            *(pl.Series(name, [of[name] for _, of in readable], dtype) for name, _, dtype, _ in _FIELDS),  # type: ignore[literal-required]
            pl.Series("request_hash", [keys.request_id_hash(of["request_id"]).hex() for _, of in readable], pl.String),
            pl.Series("partition", [message.partition for message, _ in readable], pl.Int32),
            pl.Series("offset", [message.offset for message, _ in readable], pl.Int64),
            pl.Series("append_time_ms", [message.append_time_ms for message, _ in readable], pl.Int64),
        ]
    )
    rows = with_place(frame, topic, topic_id).sort("ingest_date", *FEEDBACK.order)
    return to_arrow(rows, FEEDBACK_SCHEMA)
