"""Where the job's processor time goes: each part alone, on one batch of real messages, the least of several turns."""

import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["parts"]

_BATCH: Final = 50_000
_TURNS: Final = 7


def parts(job: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return (part, microseconds of processor time for a record of the batch)."""
    from confluent_kafka import Consumer, TopicPartition

    from headrace.config import load
    from headrace_consumers.dataset import sightings
    from headrace_consumers.dataset.delta import files, rows
    from headrace_consumers.dataset.delta.local_store import LocalStore
    from headrace_consumers.dataset.judging import placement, select
    from headrace_consumers.dataset.judging.filter import Filter
    from headrace_consumers.dataset.kafka.messages import Messages
    from headrace_consumers.dataset.kafka.pace import MOST_RECORDS
    from headrace_consumers.dataset.records import columnar
    from headrace_consumers.dataset.seen.fingerprint_table import FingerprintTable

    consumer = Consumer({"bootstrap.servers": job["servers"], "group.id": uuid.uuid4().hex})
    consumer.assign([TopicPartition(job["topic"], partition, 0) for partition in range(job["partitions"])])
    raw: list[Any] = []
    while len(raw) < min(_BATCH, job["records"]):
        raw += consumer.consume(2_000, 1.0)
    consumer.close()
    raw.sort(key=lambda message: (message.partition(), message.offset()))
    values = [message.value() for message in raw]

    def polled_again() -> None:
        for message, value in zip(raw, values, strict=True):
            message.set_value(value)

    def polled() -> Messages:
        slices = range(0, len(raw), MOST_RECORDS)  # as polls bring them
        return Messages.together([Messages.polled(raw[first : first + MOST_RECORDS]) for first in slices])

    batch = polled()
    copies = batch.part(0, len(batch) * 3 // 10)
    decoder, filter_ = columnar.ColumnarDecoder(), Filter(load(None, {}, {}).filters)
    latest = batch.append_times_ms + columnar.MAX_AHEAD_MS
    datums, columns = columnar.walked(decoder._shape, batch, latest), decoder.decode(batch)
    seen, everything = FingerprintTable(), [True] * len(batch)
    seen.add(batch.fingerprints)
    kept = select.select(batch, everything, decoder, filter_).kept
    table = rows.to_rows(kept, "topic", "id")
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        timed: list[tuple[str, Callable[[], object]]] = [
            ("key in its partition", lambda: placement.misplaced(batch, 4)),
            ("key in the table", lambda: seen.contains(batch.fingerprints)),
            (
                "* datums walked, JSON scanned",
                lambda: columnar.walked(decoder._shape, batch, latest),
            ),
            ("* columns of views", lambda: columnar.frame_of_datums(decoder._shape, datums)),
            ("* filter and quality", lambda: filter_.judge_all(columns.records, columns.filled)),
            ("* copies within the batch", lambda: select._behind_a_passing_copy(batch.fingerprints, columns.at)),
            ("* rows, sorted, as Arrow", lambda: rows.to_rows(kept, "topic", "id")),
            ("* Parquet, zstd, fsync", lambda: files.write_files(store, table, rows.INTERACTIONS)),
            (
                "copies' rows, Parquet, fsync",
                lambda: files.write_files(store, sightings.sighting_rows(copies, "topic", "id"), sightings.SIGHTINGS),
            ),
        ]
        found = [("messages to columns, bytes behind one another", _least(polled, polled_again))]
        found += [(name, _least(part)) for name, part in timed]
        return [(name, seconds / len(batch) * 1e6) for name, seconds in found]


def _least(part: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    best = float("inf")
    for _ in range(_TURNS):
        before()
        began = time.process_time()
        part()
        best = min(best, time.process_time() - began)
    return best
