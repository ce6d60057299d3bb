"""The metrics consumer is killed with SIGKILL under load, and Prometheus' `increase()` still tells the true calls."""

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from tests.chaos.ground import rounds
from tests.support.increase import Scraped
from tests.support.kafka import Kafka
from tests.support.metrics_consumer import MetricsConsumer, Reports
from tests.support.statistics import Program
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(1200)]

_PROGRAMS = 12
_PAUSE_S = 0.1
_SCRAPE_S = 0.3
_COUNTED = ("headrace_calls_total", "headrace_call_errors_total", "gen_ai_client_operation_duration_seconds_count")


class _Load:
    """Producers that report, and a Prometheus that scrapes, until they are told to stop."""

    def __init__(self, reports: Reports, consumer: MetricsConsumer, draw: random.Random) -> None:
        began_ms = time.time_ns() // 1_000_000
        self.programs = [Program(f"p{number}", began_ms, module_name=f"m{number % 5}") for number in range(_PROGRAMS)]
        self.scraped = Scraped()
        self._reports = reports
        self._consumer = consumer
        self._draw = draw
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._report), threading.Thread(target=self._scrape)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def true(self) -> dict[str, int]:
        calls = sum(program.calls for program in self.programs)
        return dict(zip(_COUNTED, (calls, sum(program.errors for program in self.programs), calls), strict=True))

    def seen(self) -> dict[str, float]:
        grown = self.scraped.increase()
        return {name: sum(by for (found, _), by in grown.items() if found == name) for name in _COUNTED}

    def scrape_once(self) -> None:
        self.scraped.scrape("target", self._consumer.scrape())

    def _report(self) -> None:
        while not self._stop.wait(_PAUSE_S):
            for program in self.programs:
                calls = self._draw.randrange(30)
                record = program.report(calls, calls // 10, after_ms=100)
                if self._draw.random() < 0.9:  # a lost record loses nothing
                    self._reports.write(record)
        for program in self.programs:
            self._reports.write(program.report(after_ms=100))

    def _scrape(self) -> None:
        while not self._stop.wait(_SCRAPE_S):
            try:
                self.scrape_once()
            except OSError:  # it was killed
                continue


def test_killed_under_load_the_increase_is_the_true_calls(
    kafka: Kafka, tmp_path: Path, report: Callable[[str], None]
) -> None:
    draw = random.Random(6)
    topic = kafka.create_topic(partitions=4)
    values = {
        "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": {"statistics": topic}},
        "metrics": {"group_id": topic, "group_instance_id": "a", "samples": False},
    }
    consumer = MetricsConsumer(tmp_path, values)
    kills = rounds(20, few=4)
    pause = threading.Event()
    try:
        consumer.start()
        consumer.wait_ready()
        with _Load(Reports(kafka.bootstrap_servers, topic), consumer, draw) as load:
            for _ in range(kills):
                pause.wait(draw.uniform(1.0, 3.0))
                consumer.kill()
                pause.wait(draw.uniform(0.0, 1.0))
                before = load.seen()
                consumer.start()
                wait_until(lambda before=before: load.seen() != before, "an increase after the kill")
        true = load.true()

        def has_settled() -> bool:
            before = load.seen()
            for _ in range(3):
                load.scrape_once()
            return load.seen() == before and before["headrace_calls_total"] > 0.98 * true["headrace_calls_total"]

        wait_until(has_settled, f"{true}, seen {load.seen()}", 60)
        seen = load.seen()
    finally:
        consumer.kill()
    errors = {name: seen[name] / true[name] - 1 for name in _COUNTED}
    report(f"{kills} kills of the metrics consumer: {true['headrace_calls_total']} calls, seen {seen}")
    assert all(abs(error) < 0.01 for error in errors.values()), errors
