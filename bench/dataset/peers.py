"""The same job by other means: a consumer written by hand, and Quix Streams. Neither is exactly once.

Both decode with fastavro, drop failed, slow and dear calls, keep the first passing copy of a key and append to a Delta
table every 50,000 records. Both are fair to the peer: no check of a record's content, no JSON parsed, no dead letters.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.dataset.marks import Marks

__all__ = ["by_hand", "quix"]

_FLUSH_RECORDS = 50_000


def _passes(record: Mapping[str, Any]) -> bool:
    latency_ms, cost_usd = record["latency_ms"], record["cost_usd"]
    return (
        record["success"]
        and not record["truncated"]
        and (latency_ms is None or latency_ms <= 5000)
        and (cost_usd is None or cost_usd <= 0.1)
    )


def _table(records: list[dict[str, Any]]) -> Any:
    import pyarrow as pa

    from headrace_consumers.dataset.delta.rows import ROW_SCHEMA
    from headrace_schemas import Registry

    names = [field["name"] for field in Registry().current("headrace.v1.Interaction")["fields"]]
    return pa.Table.from_pylist(records, pa.schema([ROW_SCHEMA.field(name) for name in names]))


def by_hand(job: Mapping[str, Any], marks: Marks) -> None:
    """confluent-kafka, fastavro, a Python set of keys, delta-rs; Kafka's offsets committed after each append."""
    from confluent_kafka import Consumer
    from deltalake import write_deltalake

    from headrace_schemas import interaction_codec

    decode = interaction_codec().decode
    options = {"auto.offset.reset": "earliest", "enable.auto.commit": False, "fetch.queue.backoff.ms": 20}
    consumer = Consumer({"bootstrap.servers": job["servers"], "group.id": f"{job['topic']}-by-hand", **options})
    consumer.subscribe([job["topic"]])
    keys: set[str] = set()
    rows: list[dict[str, Any]] = []
    seen = written = 0
    while written < job["records"]:
        for message in consumer.consume(1_000, 0.2):
            marks.first()
            seen += 1
            record = dict(decode(message.value()))
            if record["dedup_key"] not in keys and _passes(record):
                keys.add(record["dedup_key"])
                rows.append(record)
        if seen - written >= _FLUSH_RECORDS or seen == job["records"]:
            write_deltalake(str(Path(job["folder"]) / "table"), _table(rows), mode="append")
            consumer.commit(asynchronous=False)
            rows, written = [], seen
            marks.at(seen)
    consumer.close()


def quix(job: Mapping[str, Any], marks: Marks) -> None:
    """Quix Streams: its own state store for the keys, a batching sink that appends to the table."""
    from deltalake import write_deltalake
    from quixstreams import Application
    from quixstreams.sinks import BatchingSink, SinkBatch

    from headrace_schemas import interaction_codec

    decode = interaction_codec().decode
    done = 0

    class Table(BatchingSink):
        def write(self, batch: SinkBatch) -> None:
            write_deltalake(str(Path(job["folder"]) / "table"), _table([i.value for i in batch]), mode="append")

    def decoded(value: bytes) -> dict[str, Any]:
        nonlocal done
        marks.first()
        done += 1
        if done % 10_000 == 0 or done == job["records"]:
            marks.at(done)
        return dict(decode(value))

    def is_first(record: dict[str, Any], state: Any) -> bool:
        del record  # the state is that of its key
        if state.exists("seen"):
            return False
        state.set("seen", value=True)
        return True

    app = Application(
        broker_address=job["servers"],
        consumer_group=f"{job['topic']}-quix",
        auto_offset_reset="earliest",
        state_dir=str(Path(job["folder"]) / "state"),
        commit_every=_FLUSH_RECORDS,
        consumer_extra_config={"fetch.queue.backoff.ms": 20},
        loglevel="ERROR",
    )
    frame = app.dataframe(app.topic(job["topic"], value_deserializer="bytes"))
    frame = frame.apply(decoded).filter(_passes).filter(is_first, stateful=True)
    frame.sink(Table())
    app.run(count=job["records"], timeout=60)
    marks.at(done)
