"""How often a key was seen, and by which requests: one row for each copy that became no row of the dataset.

A copy is dropped by its message key and never decoded; its request's hash stands in a header. With that, feedback that
was given to a copy finds the row that was kept, and the number of copies is not lost.
"""

from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.place import LAST_MS, PLACE_FIELDS, to_arrow, with_place
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.seen.fingerprints import KEY_LENGTH
from headrace_schemas.topics import REQUEST_HEADER

__all__ = ["SIGHTINGS", "SIGHTING_SCHEMA", "sighting_rows"]

SIGHTING_SCHEMA: Final = pa.schema(
    [pa.field("dedup_key", pa.string(), nullable=False), pa.field("request_hash", pa.string()), *PLACE_FIELDS]
)
"""The copy's key; its request's hash (`headrace_schemas.keys.request_id_hash`) as 64 hex digits, null where the message
has no such header; and where it stood in Kafka."""

SIGHTINGS: Final = Layout(
    "headrace sightings",
    SIGHTING_SCHEMA,
    order=("partition", "offset"),
    bounded=("dedup_key", "topic_id", "partition", "offset"),
    dictionary=("topic", "topic_id"),
)

_HASH_BYTES: Final = 32


def sighting_rows(copies: Messages, topic: str, topic_id: str) -> pa.Table:
    """Return a row for each copy, SIGHTING_SCHEMA, sorted by date, partition and offset.

    Args:
        copies: messages whose key the table or the batch holds; so each key is 64 hex digits.
        topic: its name.
        topic_id: its id.
    """
    frame = pl.DataFrame(
        {
            "dedup_key": _texts(copies.key_characters.tobytes()),
            "request_hash": _in_hex(copies.header(REQUEST_HEADER)),
            "partition": pl.Series(copies.partitions, dtype=pl.Int32),
            "offset": copies.offsets,
            "append_time_ms": np.clip(copies.append_times_ms, 0, LAST_MS),  # a copy is not judged, so not refused
        }
    )
    rows = with_place(frame, topic, topic_id).sort("ingest_date", *SIGHTINGS.order)
    return to_arrow(rows, SIGHTING_SCHEMA)


def _in_hex(hashes: list[bytes | None]) -> pl.Series:
    """Return hashes as hex digits, null for what is none."""
    if all(value is not None and len(value) == _HASH_BYTES for value in hashes):
        return _texts(b"".join(hashes).hex().encode())  # type: ignore[arg-type]  # there is no None among them
    known = [value if value is not None and len(value) == _HASH_BYTES else None for value in hashes]
    return pl.Series(known, dtype=pl.Binary).bin.encode("hex")


def _texts(joined: bytes) -> pl.Series:
    """Return texts of KEY_LENGTH characters, which stand behind one another."""
    number = len(joined) // KEY_LENGTH
    ends = np.arange(number + 1, dtype=np.int64) * KEY_LENGTH
    return pl.Series(pa.Array.from_buffers(pa.large_string(), number, [None, pa.py_buffer(ends), pa.py_buffer(joined)]))
