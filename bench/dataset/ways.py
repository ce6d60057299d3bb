"""The ways that are measured, each in a process of its own: python -m bench.dataset.ways NAME JOB, JOB being JSON."""

import io
import json
import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.dataset.marks import Marks
from bench.dataset.parts import parts
from bench.dataset.peers import by_hand, quix

__all__ = ["WAYS"]

_SLICE: Final = 2_000


def main() -> None:
    """Run one way; print its figures as JSON."""
    if sys.argv[1] == "parts":
        os.environ["POLARS_MAX_THREADS"] = "1"
        print(json.dumps(parts(json.loads(sys.argv[2]))))
        return
    marks = Marks()
    WAYS[sys.argv[1]](json.loads(sys.argv[2]), marks)
    print(marks.as_json())


def _polled(job: Mapping[str, Any], marks: Marks) -> Iterator[list[Any]]:
    """Yield what consume() returns, until all records were seen."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": job["servers"],
            "group.id": uuid.uuid4().hex,
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 20,
        }
    )
    consumer.assign([TopicPartition(job["topic"], partition, 0) for partition in range(job["partitions"])])
    seen = 0
    while seen < job["records"]:
        messages = consumer.consume(_SLICE, 0.2)
        if messages:
            marks.first()
            seen += len(messages)
            yield messages
            marks.at(seen)
    consumer.close()


def consume(job: Mapping[str, Any], marks: Marks) -> None:
    """Messages taken from librdkafka and dropped."""
    for _ in _polled(job, marks):
        pass


def ceiling(job: Mapping[str, Any], marks: Marks) -> None:
    """And their datums read into columns by polars, without a single check."""
    os.environ["POLARS_MAX_THREADS"] = "1"  # cheaper here, too
    import fastavro
    import polars as pl

    from headrace_schemas import Registry

    framed = {"name": "header", "type": {"type": "fixed", "name": "Header", "size": 10}}
    fields = [{"name": f["name"], "type": f["type"]} for f in Registry().current("headrace.v1.Interaction")["fields"]]
    buffer = io.BytesIO()
    schema = {"type": "record", "name": "Framed", "fields": [framed, *fields]}
    fastavro.writer(buffer, schema, [], sync_marker=bytes(16))
    for messages in _polled(job, marks):
        body = b"".join([message.value() for message in messages])
        counts = io.BytesIO()
        for number in (len(messages), len(body)):
            fastavro.schemaless_writer(counts, "long", number)
        pl.read_avro(io.BytesIO(b"".join((buffer.getvalue(), counts.getvalue(), body, bytes(16)))))


def decode_alone(job: Mapping[str, Any], marks: Marks) -> None:
    """Datums in memory decoded one by one, without Kafka."""
    from headrace_schemas import interaction_codec

    values = []
    for messages in _polled({**job, "records": min(job["records"], 200_000)}, Marks()):
        values += [message.value() for message in messages]
    decode = interaction_codec().decode
    marks.first()
    for value in values:
        decode(value)
    marks.at(len(values))


def headrace(job: Mapping[str, Any], marks: Marks) -> None:
    """The whole way to the Delta table, as `headrace consume dataset` goes it; with `shared`, beside another member."""
    os.environ["POLARS_MAX_THREADS"] = "1"  # the command's own setting
    from headrace.config import load
    from headrace_consumers import logs
    from headrace_consumers.dataset import intake, run
    from headrace_consumers.dataset.tally import Tally
    from headrace_consumers.garbage import calm_collector

    class Consumer:
        """A consumer that notes when the first record comes, and has the job end with the last one.

        Else it would wait until a batch that is not full is due, which no other way does.
        """

        def __init__(self, inner: Any) -> None:
            self._inner = inner
            self._ended: set[int] = set()

        def consume(self, *arguments: Any, **options: Any) -> list[Any]:
            messages: list[Any] = self._inner.consume(*arguments, **options)
            if messages and messages[0].error() is None:
                marks.first()
            self._ended |= {message.partition() for message in messages if message.error() is not None}
            owned = {place.partition for place in self._inner.assignment()} if self._ended else set()
            if owned and owned <= self._ended:
                stop.set()
            return messages

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

    logs.configure("text", "error")
    calm_collector()  # the command does so, too
    make_consumer = intake.make_consumer
    intake.make_consumer = lambda *arguments, **options: Consumer(make_consumer(*arguments, **options))  # type: ignore[assignment,return-value]
    folder = Path(job["folder"])
    config = load(
        None,
        {
            "kafka": {
                "bootstrap_servers": job["servers"],
                "topics": {"interactions": job["topic"], "dead_letters": job["dead_letters"]},
            },
            "dataset": {
                "path": str(folder / "table"),
                "state_path": str(folder / "state"),
                "group_id": job["topic"],
                **job.get("settings", {}),
            },
        },
        {},
    )
    stop, is_shared = threading.Event(), job.get("shared", False)

    def on_progress(tally: Tally) -> None:
        marks.at(tally.consumed)

    tally = run(config, intake.Control(stop=stop, idle_exit_s=3 if is_shared else 60, on_progress=on_progress))
    if not tally.balances or not (is_shared or tally.consumed == job["records"]):
        raise SystemExit(f"the counts are wrong: {tally.as_dict()}")


WAYS: Final[Mapping[str, Callable[[Mapping[str, Any], Marks], None]]] = {
    "consume": consume,
    "ceiling": ceiling,
    "fastavro": decode_alone,
    "by_hand": by_hand,
    "quix": quix,
    "headrace": headrace,
}

if __name__ == "__main__":
    main()
