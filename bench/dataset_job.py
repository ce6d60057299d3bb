"""How fast the dataset job is, beside what bounds it and what else one could use, in one run on one real Kafka.

    python -m bench.dataset_job [--records 1200000] [--size-kb 1] [--only headrace ceiling ...]
    python -m bench.dataset_job --backlog [--records 10000000]      is memory flat over a long backlog?
    python -m bench.dataset_job --parts                             where does the processor time go?

3 of 10 records are copies, 1 of 10 calls failed. Each way runs in a process of its own; time begins with its first
record. The ceiling reads datums into columns without a single check.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.support import kafka_broker
from tests.support.kafka import Kafka

from bench.dataset import plot
from bench.dataset.load import PARTITIONS, Load, fill

TITLES: Final = {
    "consume": "consume only",
    "ceiling": "consume + columnar decode (ceiling)",
    "fastavro": "fastavro decode alone, from memory",
    "by_hand": "by hand: fastavro, a set, delta-rs",
    "quix": "Quix Streams",
    "headrace": "Headrace, one process",
    "unsighted": "Headrace, without sightings",
    "two": "Headrace, two processes",
}

_OF_HEADRACE: Final[Mapping[str, dict[str, Any]]] = {"two": {}, "unsighted": {"settings": {"sightings": False}}}
"""Ways that are Headrace's with other settings of its dataset section."""


def start(way: str, job: dict[str, Any]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "bench.dataset.ways", way, json.dumps(job)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def measure(way: str, job: dict[str, Any]) -> dict[str, Any] | None:
    """Return a way's figures, or None with a line that says why there are none."""
    members = 2 if way == "two" else 1
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        shared = {**job, "folder": folder, "shared": members > 1, **_OF_HEADRACE.get(way, {})}
        processes = [start("headrace" if way in _OF_HEADRACE else way, shared) for _ in range(members)]
        ended = [process.communicate() for process in processes]
    figures = []
    for process, (output, errors) in zip(processes, ended, strict=True):
        if process.returncode:
            print(f"{TITLES[way]}: left out ({(errors.strip().splitlines() or ['it said nothing'])[-1]})")
            return None
        figures.append(json.loads(output.splitlines()[-1]))
    figures = [found for found in figures if "records" in found]  # a member may have come too late for any
    records = sum(found["records"] for found in figures)
    wall_s = max(found["ended"] for found in figures) - min(found["began"] for found in figures)
    return {
        "way": way,
        "records": records,
        "records_per_s": records / wall_s,
        "cpu_s_per_100k": sum(found["cpu_s"] for found in figures) / records * 100_000,
        "peak_mb": max(found["peak_mb"] for found in figures),
        "resident_mb": figures[0]["resident_mb"],
    }


def show(figures: list[dict[str, Any]]) -> None:
    ceiling = next((found["records_per_s"] for found in figures if found["way"] == "ceiling"), None)
    print(f"{'':36}{'records/s':>12}{'CPU s per 100k':>16}{'peak MB':>10}{'of ceiling':>12}")
    for found in figures:
        share = f"{found['records_per_s'] / ceiling:12.0%}" if ceiling else ""
        rate, cpu, peak = found["records_per_s"], found["cpu_s_per_100k"], found["peak_mb"]
        print(f"{TITLES[found['way']]:36}{rate:12,.0f}{cpu:16.2f}{peak:10,.0f}{share}")


def show_memory(found: dict[str, Any]) -> None:
    print("records done  resident MB")
    for records, resident_mb in found["resident_mb"][:: max(1, len(found["resident_mb"]) // 10)]:
        print(f"{records:12,}{resident_mb:13,.0f}")


def show_parts(job: dict[str, Any]) -> None:
    process = start("parts", job)
    output, errors = process.communicate()
    if process.returncode:
        raise SystemExit(errors)
    print("microseconds of processor time a record, on a batch of 50,000; *: only what is new to the table")
    for name, microseconds in json.loads(output.splitlines()[-1]):
        print(f"{name:46}{microseconds:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int)
    parser.add_argument("--size-kb", type=float, default=1)
    parser.add_argument("--unreadable", type=float, default=0.0, help="share of records that are cut off")
    parser.add_argument("--only", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--backlog", action="store_true", help="only Headrace, 10 million records, memory over time")
    parser.add_argument("--parts", action="store_true", help="the job's parts, each alone")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--plot", type=Path, help="also draw them here, .svg or .png; needs matplotlib")
    parser.add_argument("--topic", help="read this topic, filled before, as it is printed; --records must fit")
    arguments = parser.parse_args()
    records = arguments.records or (10_000_000 if arguments.backlog else 60_000 if arguments.parts else 1_200_000)
    broker, _ = kafka_broker.start()
    kafka = Kafka(broker)
    try:
        load = Load(records, int(arguments.size_kb * 1000), arguments.unreadable)
        if not (topic := arguments.topic):
            topic, sent = fill(kafka, load)
            print(f"{topic}: {records:,} records of {sent / records:,.0f} bytes, {os.cpu_count()} cores, {broker.how}")
        job = {
            "servers": kafka.bootstrap_servers,
            "topic": topic,
            "partitions": PARTITIONS,
            "records": records,
            "dead_letters": kafka.create_topic(config={"max.message.bytes": "8388608"}),
        }
        if arguments.parts:
            show_parts(job)
            return
        ways = ["headrace"] if arguments.backlog else arguments.only
        figures = [found for way in ways if (found := measure(way, job))]
    finally:
        if not arguments.topic and broker.how != "env":
            kafka.close()
    show(figures)
    if arguments.backlog and figures:
        show_memory(figures[0])
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))
    if arguments.plot:
        plot.draw(figures, TITLES, arguments.plot)


if __name__ == "__main__":
    main()
