"""What is lost when a process ends with a full queue and a silent Kafka: `python -m bench.producer.full_queue`.

Calls are submitted as fast as the queue takes them, until it takes no more; then the pipeline is closed within
`telemetry.exit_timeout_s`. All settings are the defaults. What the full queue refused is another loss, told apart.
"""

import argparse
import logging
import os
import platform
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Mapping

from bench.producer import brokers
from headrace.captured import CapturedCall
from headrace.config import load
from headrace.delivery import Pipeline

WORDS = (
    "the order 12345 of jane.doe@example.com was broken on arrival and the refund of 20 EUR is due on monday".split()  # noqa: SIM905  # a sentence
)
SIZES = (200, 2_000, 20_000, 200_000)


def call(number: int, size_bytes: int, draw: random.Random) -> CapturedCall:
    """Return a call whose inputs and outputs together have about so many bytes of text."""

    def text() -> str:
        words = draw.choices(WORDS, k=size_bytes // 2 // 5 + 1)
        return " ".join(words)[: size_bytes // 2]

    return CapturedCall(
        event_id=f"event-{number}",
        request_id=f"request-{number}",
        module_name="bench",
        module_version="baseline",
        signature="Bench",
        fields_hash="0123456789abcdef",
        input={"question": text()},
        output={"answer": text()},
        timestamp_ms=1_700_000_000_000,
        success=True,
        inclusion_probability=1.0,
    )


def leave(size_bytes: int, kafka: Mapping[str, object]) -> tuple[int, float, Mapping[str, int], int]:
    """Fill a queue and leave; return how many it held, the seconds, what was lost by reason, and what was saved."""
    draw = random.Random(size_bytes)
    calls = [call(number, size_bytes, draw) for number in range(50)]
    with tempfile.TemporaryDirectory() as folder:
        config = load(None, {"kafka": dict(kafka), "telemetry": {"log_file_path": f"{folder}/calls.jsonl"}}, {})
        pipeline = Pipeline(config)
        for each in calls[:20]:
            pipeline.submit(each)
        pipeline.flush(1)  # the service has run for a while
        refused = 0
        for number in range(100_000):
            refused += not pipeline.submit(calls[number % len(calls)])
            if refused >= 100:
                break
        held = pipeline.stats().in_flight
        began_s = time.perf_counter()
        pipeline.close(config.telemetry.exit_timeout_s)
        took_s = time.perf_counter() - began_s
        stats = pipeline.stats()
        return held, took_s, stats.dropped, stats.spooled + stats.delivered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="for each size (default: %(default)s)")
    arguments = parser.parse_args()
    logging.getLogger("headrace").setLevel(logging.ERROR)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'bytes a call':>12}{'in the queue':>14}{'s to leave':>12}{'saved':>8}{'lost at exit':>14}")
    with brokers.silent() as address:
        for size_bytes in SIZES:
            held, took_s, saved, lost = [], [], [], Counter[str]()
            for _ in range(arguments.rounds):
                each_held, each_took_s, dropped, each_saved = leave(size_bytes, {"bootstrap_servers": address})
                held.append(each_held)
                took_s.append(each_took_s)
                saved.append(each_saved)
                lost.update(dropped)
            print(
                f"{size_bytes:12}{statistics.median(held):14.0f}{max(took_s):12.2f}{statistics.median(saved):8.0f}"
                f"{lost['exit']:14}"
            )


if __name__ == "__main__":
    main()
