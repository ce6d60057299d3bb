"""How fast the dataset job is, beside what bounds it, in one run on a real Kafka.

    python bench/dataset_job.py [--records 100000]

consume only: messages taken from librdkafka and dropped. decode: and each decoded by fastavro. dataset job: the whole
way to the Delta table, as `headrace consume dataset` goes it. 30% of the records are copies, 10% failed calls.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from confluent_kafka import Consumer, Producer, TopicPartition
from tests.support import kafka_broker
from tests.support.interactions import interaction
from tests.support.kafka import Kafka

from headrace.config import load
from headrace_consumers import logs
from headrace_consumers.dataset import run
from headrace_schemas import interaction_codec

PARTITIONS = 4
PAYLOAD = "It never breaks, blocks or slows the caller. " * 8


@dataclass
class Measured:
    name: str
    records: int
    wall_s: float
    cpu_s: float


def measure(name: str, job: Callable[[], int]) -> Measured:
    wall, cpu = time.perf_counter(), time.process_time()
    records = job()
    return Measured(name, records, time.perf_counter() - wall, time.process_time() - cpu)


def fill(kafka: Kafka, records: int) -> str:
    topic = kafka.create_topic(partitions=PARTITIONS)
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap_servers, "partitioner": "murmur2_random", "linger.ms": 50}
    )
    codec, draw = interaction_codec(), random.Random(1)
    for number in range(records):
        success = draw.random() >= 0.1
        record = interaction(
            f"{draw.randrange(int(records * 0.7))} {PAYLOAD}", event_id=f"{number:032x}", success=success
        )
        while True:
            try:
                producer.produce(topic, codec.encode(record), record["dedup_key"].encode())
            except BufferError:
                producer.poll(0.1)
            else:
                break
        producer.poll(0)
    producer.flush()
    return topic


def consume(kafka: Kafka, topic: str, records: int, handle: Callable[[bytes], object]) -> int:
    consumer = Consumer(
        {"bootstrap.servers": kafka.bootstrap_servers, "group.id": uuid.uuid4().hex, "fetch.queue.backoff.ms": 20}
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    seen = 0
    while seen < records:
        for message in consumer.consume(500, 0.2):
            handle(message.value())
            seen += 1
    consumer.close()
    return seen


def dataset_job(kafka: Kafka, topic: str, records: int, folder: Path) -> int:
    config = load(
        None,
        {
            "kafka": {
                "bootstrap_servers": kafka.bootstrap_servers,
                "topics": {"interactions": topic, "dead_letters": kafka.create_topic()},
            },
            "dataset": {"path": str(folder / "table"), "state_path": str(folder / "state"), "group_id": topic},
        },
        {},
    )
    stop = threading.Event()
    tally = run(config, stop=stop, on_progress=lambda now: stop.set() if now.consumed >= records else None)
    if not tally.balances or tally.consumed != records:
        raise SystemExit(f"the counts are wrong: {tally.as_dict()}")
    return tally.consumed


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--records", type=int, default=100_000)
    records = arguments.parse_args().records
    logs.configure("text", "error")
    broker, _ = kafka_broker.start()
    kafka = Kafka(broker)
    try:
        topic = fill(kafka, records)
        decode = interaction_codec().decode
        with tempfile.TemporaryDirectory() as folder:
            results = [
                measure("consume only", lambda: consume(kafka, topic, records, lambda _: None)),
                measure("consume + fastavro decode", lambda: consume(kafka, topic, records, decode)),
                measure("dataset job", lambda: dataset_job(kafka, topic, records, Path(folder))),
            ]
    finally:
        kafka.close()
    job = results[-1]
    print(f"{records:,} records of about {len(PAYLOAD) + 600} bytes, {os.cpu_count()} cores, Kafka {broker.how}")
    print(f"{'':28}{'records/s':>12}{'CPU s per 100k':>16}{'job / this':>12}")
    for result in results:
        ratio = (job.records / job.wall_s) / (result.records / result.wall_s)
        rate = result.records / result.wall_s
        print(f"{result.name:28}{rate:12,.0f}{result.cpu_s / records * 100_000:16.2f}{ratio:12.2f}")


if __name__ == "__main__":
    main()
