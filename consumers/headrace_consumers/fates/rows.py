"""Finding rows of the table by key or id: all files are read, of the columns that tell."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace_consumers.verification.snapshot import Snapshot

__all__ = ["Row", "rows_of_id", "rows_of_keys"]

SCAN_ROWS: Final = 200_000
_COLUMNS: Final = (
    "dedup_key", "event_id", "request_id", "signature", "topic", "topic_id", "partition", "offset", "ingested_at",
    "quality",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table without its payload.

    Attributes:
        dedup_key: the record's, and so are the next three.
        event_id: see there.
        request_id: see there.
        signature: see there.
        topic: where the record stands in Kafka, and so are the next three.
        topic_id: see there.
        partition: see there.
        offset: see there.
        ingested_at_ms: Kafka's clock.
        quality: the score.
        file: the table's file that the row is in.
    """

    dedup_key: str
    event_id: str
    request_id: str
    signature: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    ingested_at_ms: int
    quality: float
    file: str

    @property
    def place(self) -> str:
        """``topic/partition/offset``."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def rows_of_keys(snapshot: Snapshot, keys: Collection[str]) -> dict[str, Row]:
    """Return the row of each key that has one.

    Raises:
        ArrowException, OSError: a file cannot be read.
    """
    wanted = pa.array(sorted(keys), pa.string())
    return {row.dedup_key: row for row in _rows(snapshot, pc.field("dedup_key").isin(wanted))} if keys else {}


def rows_of_id(snapshot: Snapshot, id_: str) -> list[Row]:
    """Return the rows whose event id, request id or deduplication key this is.

    Raises:
        ArrowException, OSError: a file cannot be read.
    """
    named = [pc.field(name) == id_ for name in ("event_id", "request_id", "dedup_key")]
    return sorted(
        _rows(snapshot, named[0] | named[1] | named[2]), key=lambda row: (row.topic, row.partition, row.offset)
    )


def _rows(snapshot: Snapshot, wanted: pc.Expression) -> Iterator[Row]:
    for file in snapshot.files:
        with snapshot.opened(file) as parquet:
            for batch in parquet.iter_batches(SCAN_ROWS, columns=list(_COLUMNS)):
                for found in pa.Table.from_batches([batch]).filter(wanted).to_pylist():
                    yield _row(found, file.path)


def _row(found: dict[str, Any], file: str) -> Row:
    ingested_at_ms = int(found.pop("ingested_at").timestamp() * 1000)
    return Row(**found, ingested_at_ms=ingested_at_ms, file=file)
