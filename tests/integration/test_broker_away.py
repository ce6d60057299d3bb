"""A real broker is stopped and started: every consumer says that it is away, and that it is back; none has to end."""

import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dataset_job import DatasetJob
from tests.support.kafka import Kafka
from tests.support.kafka_unruly import UnrulyBroker
from tests.support.metrics_consumer import MetricsConsumer, ask, samples
from tests.support.waiting import wait_until

pytestmark = pytest.mark.kafka


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def broker() -> Iterator[UnrulyBroker]:
    broker = UnrulyBroker(os.environ)
    broker.start()
    yield broker
    broker.remove()


def _problems(port: int) -> tuple[int, list[str]]:
    code, text = ask(port, "/readyz")
    body: dict[str, Any] = json.loads(text)
    return code, body["problems"]


@pytest.mark.timeout(600)
def test_a_consumer_is_not_ready_while_kafka_is_away_and_ready_when_it_is_back(
    broker: UnrulyBroker, tmp_path: Path
) -> None:
    kafka = Kafka(broker.broker())
    dataset_port, feedback_port = _free_ports(2)
    job = DatasetJob(kafka, tmp_path, partitions=2, health_port=dataset_port, feedback_health_port=feedback_port)
    job.write(range(40))
    metrics = MetricsConsumer(
        tmp_path,
        {
            "kafka": {
                "bootstrap_servers": kafka.bootstrap_servers,
                "topics": {"statistics": kafka.create_topic(), "interactions": job.topic},
            },
        },
    )
    processes = [job.start(idle_exit_s=None, what=what) for what in ("dataset", "feedback")]
    try:
        metrics.start()
        ports = {"dataset": dataset_port, "feedback": feedback_port, "metrics": metrics.port}

        def are(code: int) -> bool:
            try:
                return {ask(port, "/readyz")[0] for port in ports.values()} == {code}
            except OSError:
                return False

        wait_until(lambda: are(200), "all to be ready", 120)
        wait_until(lambda: job.table().height == 40, "the rows", 60)
        pages = {name: samples(ask(port, "/metrics")[1]) for name, port in ports.items()}
        for name, page in pages.items():
            assert page["headrace_kafka_silent_seconds", (("consumer", name),)] < 20
            assert "headrace_consumer_lag_records" in {each for each, _ in page}

        broker.kill()
        wait_until(lambda: are(503), "all to be not ready", 90)
        for name, port in ports.items():
            code, problems = _problems(port)
            assert (code, len(problems)) == (503, 1), problems
            assert re.fullmatch(r"no broker has answered for \d+ s", problems[0]), problems
            assert ask(port, "/healthz")[0] == 200, "a restart would not help"
            page = samples(ask(port, "/metrics")[1])
            assert page["headrace_kafka_silent_seconds", (("consumer", name),)] > 30
            assert page["headrace_consumer_ready", (("consumer", name),)] == 0
            assert not {each for each, _ in page if each.startswith("headrace_consumer_lag")}

        broker.start()
        wait_until(lambda: are(200), "all to be ready again", 90)
        job.write(range(40, 50))
        wait_until(lambda: job.table().height == 50, "the rows that came afterwards", 90)
        assert [process.poll() for process in processes] == [None, None]
        assert metrics.log.read_text().count("no broker answers") == 1
        assert metrics.log.read_text().count("a broker answers again") == 1
    finally:
        metrics.kill()
        for process in processes:
            process.kill()
            process.communicate(timeout=30)
