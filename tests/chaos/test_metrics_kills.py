"""The metrics consumer is killed under load, or its broker is, and Prometheus still counts the true calls."""

import contextlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.ground import rounds
from tests.support.increase import Scraped
from tests.support.kafka import Kafka
from tests.support.kafka_unruly import UnrulyBroker
from tests.support.metrics_consumer import MetricsConsumer, Reports, ask
from tests.support.prometheus import Prometheus, start_prometheus
from tests.support.statistics import Program
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(1800)]

_KILLS = 20
_PROGRAMS = 12
_PARTITIONS = 4
_PAUSE_S = 0.1
_CALLS = "headrace_calls_total"
_COUNTED = (_CALLS, "headrace_call_errors_total", "gen_ai_client_operation_duration_seconds_count")


class _Load:
    """Producers that report; a tenth of what they write is lost, which loses nothing."""

    def __init__(self, reports: Reports, draw: random.Random) -> None:
        began_ms = time.time_ns() // 1_000_000
        self.programs = [Program(f"p{number}", began_ms, module_name=f"m{number % 5}") for number in range(_PROGRAMS)]
        self._reports = reports
        self._draw = draw
        self._stop = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._report)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def true(self) -> dict[str, int]:
        calls = sum(program.calls for program in self.programs)
        return dict(zip(_COUNTED, (calls, sum(program.errors for program in self.programs), calls), strict=True))

    def _report(self) -> None:
        while not self._stop.wait(_PAUSE_S):
            for program in self.programs:
                calls = self._draw.randrange(30)
                record = program.report(calls, calls // 10, after_ms=100)
                if self._draw.random() < 0.9:
                    self._reports.write(record)
        for program in self.programs:
            self._reports.write(program.report(after_ms=100))


def _seen(prometheus: Prometheus) -> dict[str, float]:
    """Return by how much the counters grew, from all that Prometheus has: `increase()` without its extrapolation."""
    grown = {}
    for name in _COUNTED:
        scraped = Scraped()
        for series in prometheus.query(f"{name}[1h]"):
            labels: dict[str, str] = series["metric"]
            target = labels["instance"]
            rest = tuple(sorted((each, value) for each, value in labels.items() if each != "instance"))
            for _, value in series["values"]:
                scraped.scrape(target, {rest: float(value)})
        grown[name] = sum(scraped.increase().values())
    return grown


@pytest.fixture
def world(
    kafka: Kafka, tmp_path: Path, prometheus_tools: Any
) -> Iterator[Callable[[int], tuple[list[MetricsConsumer], Prometheus, Reports]]]:
    """Give what starts members, a Prometheus that scrapes them, and what writes their records."""
    with contextlib.ExitStack() as running:
        topic = kafka.create_topic(partitions=_PARTITIONS)

        def start(count: int) -> tuple[list[MetricsConsumer], Prometheus, Reports]:
            members = []
            for name in "ab"[:count]:
                values = {
                    "kafka": {
                        "bootstrap_servers": kafka.bootstrap_servers,
                        "topics": {"statistics": topic},
                        "consumer_options": {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 1_000},
                    },
                    "metrics": {"group_id": topic, "group_instance_id": name, "samples": False},
                }
                member = MetricsConsumer(tmp_path, values, name)
                running.callback(member.kill)
                member.start()
                members.append(member)
            for member in members:
                member.wait_ready()
            targets = {"metrics": [f"127.0.0.1:{member.port}" for member in members]}
            prometheus = start_prometheus(prometheus_tools, targets=targets, interval="1s")
            running.callback(prometheus.lifeline.cut)
            wait_until(lambda: len(prometheus.query("up == 1")) == count, "Prometheus scrapes all members")
            return members, prometheus, Reports(kafka.bootstrap_servers, topic)

        yield start


def _wait_settled(prometheus: Prometheus, true: dict[str, int]) -> dict[str, float]:
    """Return what Prometheus has seen once nothing more comes."""
    last: list[dict[str, float]] = []

    def has_settled() -> bool:
        last.append(_seen(prometheus))
        time.sleep(1)
        return len(last) > 3 and last[-1] == last[-2] == last[-3] and last[-1][_CALLS] > 0.98 * true[_CALLS]

    try:
        wait_until(has_settled, "Prometheus sees nothing new", 90)
    except TimeoutError:
        pytest.fail(f"true {true}, seen {last[-1]}")
    return last[-1]


def _insist(seen: dict[str, float], true: dict[str, int]) -> None:
    errors = {name: seen[name] / true[name] - 1 for name in _COUNTED}
    assert all(abs(error) < 0.01 for error in errors.values()), errors


def test_killed_under_load_the_increase_is_the_true_calls(
    world: Callable[[int], tuple[list[MetricsConsumer], Prometheus, Reports]], report: Callable[[str], None]
) -> None:
    draw, pause = random.Random(6), threading.Event()
    (consumer,), prometheus, reports = world(1)
    load, kills = _Load(reports, draw), rounds(_KILLS, few=2)
    with load.running():
        for _ in range(kills):
            pause.wait(draw.uniform(2.0, 5.0))
            consumer.kill()
            before = _seen(prometheus)
            pause.wait(draw.uniform(0.0, 1.0))
            consumer.start()
            wait_until(lambda before=before: _seen(prometheus) != before, "an increase after the kill", 60)
    true = load.true()
    seen = _wait_settled(prometheus, true)
    (told,) = prometheus.query(f"sum(increase({_CALLS}[1h]))")
    report(
        f"{kills} kills of the metrics consumer: {true[_CALLS]} calls, seen {seen[_CALLS]:.0f}, "
        f"by PromQL {float(told['value'][1]):.0f}"
    )
    _insist(seen, true)
    if kills >= _KILLS:  # over a few seconds the extrapolation at both ends is more than a hundredth
        assert float(told["value"][1]) == pytest.approx(true[_CALLS], rel=0.01)


def test_two_members_killed_and_stopped_in_turn_count_each_call_once(
    world: Callable[[int], tuple[list[MetricsConsumer], Prometheus, Reports]], report: Callable[[str], None]
) -> None:
    draw, pause = random.Random(7), threading.Event()
    members, prometheus, reports = world(2)
    load, turns = _Load(reports, draw), rounds(12, few=2)
    with load.running():
        for turn in range(turns):
            member = members[turn % 2]
            pause.wait(draw.uniform(2.0, 5.0))
            if turn % 4 < 2:
                member.kill()
            else:
                member.stop()
            if draw.random() < 0.5:
                pause.wait(9)  # the other takes over its partitions, and gives them back later
            member.start()
            member.wait_ready()
    true = load.true()
    seen = _wait_settled(prometheus, true)
    report(f"two members, {turns} kills and stops: {true[_CALLS]} calls, seen {seen[_CALLS]:.0f}")
    _insist(seen, true)
    for each, gauge, number in (
        ("producer", "headrace_producer_last_report_timestamp_seconds", _PROGRAMS),
        ("topic, partition", "headrace_consumer_lag_records", _PARTITIONS),
    ):
        shown = prometheus.query(f"count by ({each}) ({gauge})")
        assert [float(series["value"][1]) for series in shown] == [1.0] * number, shown


def test_a_broker_that_is_away_for_longer_than_the_session_makes_nothing_count_twice(
    tmp_path: Path, report: Callable[[str], None]
) -> None:
    """What was shown while no offset could be committed is read again when the broker is back."""
    broker, times = UnrulyBroker(os.environ), rounds(5, few=1)
    broker.start()
    kafka, scraped, pause = Kafka(broker.broker()), Scraped(), threading.Event()
    topic = kafka.create_topic(partitions=2)
    values = {
        "kafka": {
            "bootstrap_servers": kafka.bootstrap_servers,
            "topics": {"statistics": topic},
            "consumer_options": {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 1_000},
        },
        "metrics": {"group_id": topic, "samples": False},
    }
    consumer = MetricsConsumer(tmp_path, values)
    program = Program("p", time.time_ns() // 1_000_000)
    expected = 0

    def counted() -> bool:
        scraped.scrape("a", {key: value for key, value in consumer.scrape().items() if key[0] == _CALLS})
        return sum(scraped.increase().values()) >= expected

    def read() -> int:
        """Ask without a scrape, which would show it while it can be committed."""
        partitions = json.loads(ask(consumer.port, "/healthz")[1])["partitions"]
        return sum(each["next_offset"] for each in partitions.values())

    try:
        consumer.start()
        consumer.wait_ready()
        for _ in range(times):
            reports = Reports(kafka.bootstrap_servers, topic)
            reports.write(program.report(calls=5))
            wait_until(lambda: read() == program.sequence, "it is read", 60)
            broker.kill()
            for _ in range(3):  # nothing of this can be committed
                counted()
            pause.wait(10)
            broker.start()
            reports.write(program.report(calls=2))
            expected += 7
            wait_until(counted, "all calls", 120)
            pause.wait(2)
            counted()
            assert sum(scraped.increase().values()) == expected, consumer.log.read_text()
    finally:
        consumer.kill()
        broker.remove()
    report(f"{times} times without the broker for longer than the session: {expected} calls, each seen once")
