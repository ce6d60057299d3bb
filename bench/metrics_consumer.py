"""What the metrics consumer takes of a core: `python -m bench.metrics_consumer [--seconds 60]`.

The statistics of 200 producers that make 10,000 calls a second in total, a record each every 10 s, and the sampled 10%
of the calls, come over a real Kafka as they would in production; the page is scraped every 15 s. 10 modules run in each
producer, with errors of 3 classes and 2 models. CPU seconds are those of the consumer's process, from /proc, over the
time of the traffic, scrapes and the client's own threads among them.
"""

import argparse
import json
import os
import random
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from tests.support import kafka_broker
from tests.support.kafka import Kafka
from tests.support.metrics_consumer import MetricsConsumer

from headrace_schemas import interaction_codec, statistics_codec
from headrace_schemas.latency import BOUNDS_S
from headrace_schemas.vectors import EXAMPLE

PRODUCERS = 200
CALLS_S = 10_000
MODULES = 10
INTERVAL_S = 10
SAMPLED = 0.1
SCRAPE_S = 15
TICK_S = 0.1
PAYLOAD = json.dumps({"text": "x" * 300})


def statistics(instance: str, sequence: int, began_ms: int) -> dict[str, Any]:
    """Return the record that a producer writes after so many intervals."""
    calls = sequence * INTERVAL_S * CALLS_S // PRODUCERS // MODULES
    counts = [calls // (len(BOUNDS_S) + 1)] * (len(BOUNDS_S) + 1)
    usage = {
        "sampled": calls // 10,
        "weight": float(calls),
        "tokens_input": 100.0 * calls,
        "tokens_output": 20.0 * calls,
    }
    return {
        "instance": instance,
        "started_at_ms": began_ms,
        "sequence": sequence,
        "timestamp_ms": began_ms + sequence * INTERVAL_S * 1000,
        "is_last": False,
        "service": "bench",
        "environment": "production",
        "release": "0",
        "sampled": calls,
        "adopted": 0,
        "delivered": calls,
        "spooled": 0,
        "in_flight": 0,
        "dropped": [],
        "spool_bytes": 0,
        "program_failures": [],
        "calls": [
            {
                "module_name": f"module{number}",
                "module_version": "v1",
                "signature": f"Signature{number}",
                "arm": "",
                "rollout_id": "",
                "stage": 0,
                "calls": sum(counts),
                "cancelled": 0,
                "errors": [{"name": name, "count": sequence} for name in ("ValueError", "TimeoutError", "KeyError")],
                "latency_s_sum": float(calls),
                "latency_counts": counts,
                "usage": [{**usage, "model": model, "cost_usd": 0.01 * calls, "unknown_cost": 0} for model in "ab"],
            }
            for number in range(MODULES)
        ],
    }


def sample(number: int, now_ms: int, draw: random.Random) -> dict[str, Any]:
    module = number % MODULES
    return {
        **EXAMPLE,
        "event_id": f"event-{now_ms}-{number}",
        "request_id": f"request-{now_ms}-{number}",
        "module_name": f"module{module}",
        "module_version": "v1",
        "signature": f"Signature{module}",
        "input": PAYLOAD,
        "output": PAYLOAD,
        "timestamp_ms": now_ms,
        "latency_ms": draw.lognormvariate(6, 1),
        "cost_usd": draw.lognormvariate(-5, 1),
        "tokens": 120,
        "tokens_input": 100,
        "tokens_output": 20,
        "lm_calls": 1,
        "cache_hits": 0,
        "inclusion_probability": SAMPLED,
    }


def produce(servers: str, topics: dict[str, str], seconds: float, *, with_samples: bool) -> None:
    """Write the traffic at its pace."""
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 50, "partitioner": "murmur2_random"})
    codec, samples, draw = statistics_codec(), interaction_codec(), random.Random(1)
    began, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    reports = calls = 0
    pause = threading.Event()
    while (past_s := time.monotonic() - began) < seconds:
        for number in range(reports, int(past_s * PRODUCERS / INTERVAL_S)):
            instance = f"host-{number % PRODUCERS}"
            record: Any = statistics(instance, number // PRODUCERS + 1, began_ms)
            producer.produce(topics["statistics"], codec.encode(record), instance.encode())
            reports = number + 1
        now_ms = time.time_ns() // 1_000_000
        for number in range(calls, int(past_s * CALLS_S * SAMPLED) if with_samples else 0):
            made: Any = sample(number, now_ms, draw)
            producer.produce(topics["interactions"], samples.encode(made), f"{number}".encode())
            calls = number + 1
        producer.poll(0)
        pause.wait(TICK_S)
    producer.flush(30)


def cpu_s(pid: int) -> float:
    """Return the processor seconds that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(kafka: Kafka, seconds: float, *, with_samples: bool) -> dict[str, float]:
    topics = {name: kafka.create_topic(partitions=8) for name in ("statistics", "interactions")}
    values = {
        "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": topics},
        "metrics": {"group_id": topics["statistics"], "samples": with_samples},
    }
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        consumer = MetricsConsumer(Path(folder), values)
        consumer.start()
        try:
            consumer.wait_ready()
            load = threading.Thread(
                target=produce, args=(kafka.bootstrap_servers, topics, seconds), kwargs={"with_samples": with_samples}
            )
            before, began = cpu_s(consumer.pid), time.monotonic()
            load.start()
            took, size = [], 0
            while load.is_alive():
                load.join(SCRAPE_S)
                scrape_began = time.monotonic()
                with urllib.request.urlopen(f"http://127.0.0.1:{consumer.port}/metrics") as page:
                    size = len(page.read())
                took.append(time.monotonic() - scrape_began)
            past_s = time.monotonic() - began
            used_s = cpu_s(consumer.pid) - before
            found = consumer.scrape()
        finally:
            consumer.kill()
    records = {
        dict(labels).get("topic"): value
        for (name, labels), value in found.items()
        if name.startswith("headrace_consumer_records")
    }
    return {
        "cpu_share": used_s / past_s,
        "statistics": records.get(topics["statistics"], 0),
        "samples": records.get(topics["interactions"], 0),
        "slowest_scrape_s": max(took),
        "page_kb": size / 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    broker, _ = kafka_broker.start()
    kafka = Kafka(broker)
    try:
        print(f"{PRODUCERS} producers, {CALLS_S} calls/s, {MODULES} modules each, {seconds:g} s")
        for with_samples in (False, True):
            found = measure(kafka, seconds, with_samples=with_samples)
            print(
                f"{'with' if with_samples else 'without'} the sample: {found['cpu_share']:.3f} CPU seconds a second "
                f"({found['statistics']:.0f} statistics records, {found['samples']:.0f} sampled ones; "
                f"page {found['page_kb']:.0f} kB, slowest scrape {found['slowest_scrape_s']:.2f} s)"
            )
    finally:
        kafka.close()


if __name__ == "__main__":
    main()
