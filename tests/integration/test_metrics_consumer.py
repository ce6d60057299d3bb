"""`headrace consume metrics` on a real Kafka: what it serves, how it ends, and what Prometheus makes of restarts.

And `headrace top`, which looks at it in a terminal.
"""

import os
import time

import pytest

from headrace_schemas.vectors import EXAMPLE
from tests.support.increase import Scraped
from tests.support.metrics_consumer import HEADRACE, MetricsConsumer, Reports, ask
from tests.support.statistics import Program
from tests.support.terminal import LEAVES, Terminal
from tests.support.waiting import wait_until

_CALLS = (
    "headrace_calls_total",
    (("environment", "production"), ("module", "support"), ("signature", "Triage"), ("version", "v1")),
)


def _now_program(name: str) -> Program:
    return Program(name, time.time_ns() // 1_000_000 - 10_000)


@pytest.fixture
def topic(kafka):
    return kafka.create_topic(partitions=4)


@pytest.fixture
def consumer(kafka, topic, tmp_path):
    values = {
        "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": {"statistics": topic}},
        "metrics": {"group_id": topic, "group_instance_id": "a", "samples": False},
    }
    consumer = MetricsConsumer(tmp_path, values)
    yield consumer
    consumer.kill()


@pytest.fixture
def reports(kafka, topic):
    return Reports(kafka.bootstrap_servers, topic)


def _calls(consumer, scraped, expected):
    """Scrape until the increase that Prometheus sees is what is expected."""

    def increase():
        scraped.scrape("a", consumer.scrape())
        return scraped.increase().get(_CALLS, 0) >= expected

    wait_until(increase, f"{expected} calls")
    scraped.scrape("a", consumer.scrape())
    assert scraped.increase()[_CALLS] == expected


def test_it_serves_what_producers_report_and_ends_in_order(consumer, reports):
    consumer.start()
    consumer.wait_ready()
    scraped, program = Scraped(), _now_program("p1")
    reports.write(program.report(calls=5, errors=1))
    _calls(consumer, scraped, 5)
    found = consumer.scrape()
    assert found["headrace_producers", (("environment", "production"), ("service", "shop"))] == 1
    assert found["headrace_statistics_records_total", (("result", "counted"),)] == 1
    assert found["headrace_consumer_ready", (("consumer", "metrics"),)] == 1
    assert {value for (name, _), value in found.items() if name == "headrace_consumer_lag_records"} == {0}
    code, text = ask(consumer.port, "/metrics", "application/openmetrics-text; version=1.0.0")
    assert (code, text[-6:]) == (200, "# EOF\n")
    assert ask(consumer.port, "/healthz")[0] == 200
    assert ask(consumer.port, "/")[0] == 404
    assert consumer.stop() == 0


def test_over_a_restart_and_a_kill_nothing_is_lost_or_counted_twice(consumer, reports):
    scraped, program = Scraped(), _now_program("p1")
    consumer.start()
    consumer.wait_ready()
    reports.write(program.report(calls=5))
    _calls(consumer, scraped, 5)
    reports.write(program.report(calls=3))
    consumer.stop()
    reports.write(program.report(calls=2))
    consumer.start()
    _calls(consumer, scraped, 10)
    reports.write(program.report(calls=1))
    consumer.kill()
    reports.write(program.report(calls=1), _now_program("p2").report(calls=7))
    consumer.start()
    _calls(consumer, scraped, 19)


def test_top_shows_it_live_in_a_terminal_of_any_size_until_q(consumer, reports):
    consumer.start()
    consumer.wait_ready()
    program = _now_program("p1")
    reports.write(program.report(calls=5, errors=1))
    command = [
        HEADRACE,
        "top",
        "--config",
        str(consumer.path),
        "--url",
        f"127.0.0.1:{consumer.port}",
        "--interval",
        "0.5",
    ]
    terminal = Terminal(command, os.environ, width=120, height=30)

    def shows(*parts, size):
        width, height = size
        screen = terminal.screen
        is_whole = len(screen) == height and all(len(line) == width for line in screen)
        return is_whole and all(part in "\n".join(screen) for part in parts)

    def row():
        (found,) = [line for line in terminal.screen if line.split()[:4] == ["support", "Triage", "v1", "production"]]
        return found.split()

    def has_a_rate():
        reports.write(program.report(calls=10, errors=1))
        return shows("support", "success", size=(120, 30)) and row()[4] != "-" and "%" in row()[5]

    address = f"metrics at 127.0.0.1:{consumer.port}"
    try:
        wait_until(lambda: shows(f"{address} is well", "producers    1 reporting", size=(120, 30)), "its state", 90)
        wait_until(has_a_rate, "a rate and a success rate of the calls", 90)
        for size in ((140, 40), (60, 12)):
            terminal.resize(*size)
            wait_until(lambda size=size: shows("headrace top", "q quits", size=size), f"a screen of {size}", 60)
        terminal.resize(120, 30)
        consumer.kill()
        wait_until(
            lambda: shows(f"! consumer     {address} cannot be reached (", size=(120, 30)), "that it is away", 60
        )
        consumer.start()
        wait_until(lambda: shows(f"{address} is well", size=(120, 30)), "that it is back", 90)
        terminal.type("q")
        assert terminal.process.wait(60) == 0
        wait_until(lambda: LEAVES in terminal.text, "the other screen left")
        assert terminal.is_as_before
        assert "Traceback" not in terminal.text
    finally:
        terminal.close()


def test_a_topic_that_is_missing_is_one_line_and_1(kafka, tmp_path):
    values = {
        "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": {"statistics": "nobody-made-this"}},
        "metrics": {"samples": False},
    }
    consumer = MetricsConsumer(tmp_path, values)
    consumer.start()
    assert consumer.wait() == 1
    last = consumer.log.read_text().splitlines()[-1]
    assert "nobody-made-this" in last
    assert "headrace topics" in last
    assert "Traceback" not in consumer.log.read_text()


def test_sampled_records_become_distributions_and_exemplars(kafka, topic, tmp_path, reports):
    interactions = kafka.create_topic(partitions=4)
    topics = {"statistics": topic, "interactions": interactions}
    values = {
        "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": topics},
        "metrics": {"group_id": topic, "group_instance_id": "a"},
    }
    consumer = MetricsConsumer(tmp_path, values)
    consumer.start()
    try:
        consumer.wait_ready()
        reports.write(_now_program("p1").report(calls=20))
        now_ms = time.time_ns() // 1_000_000
        call = {"module_name": "support", "module_version": "v1", "signature": "Triage", "latency_ms": 500.0}
        reports.write_samples(
            interactions,
            *(
                {
                    **EXAMPLE,
                    **call,
                    "event_id": f"e{n}",
                    "request_id": f"r{n}",
                    "timestamp_ms": now_ms,
                    "cost_usd": 0.02,
                }
                | {"inclusion_probability": 0.5}
                for n in range(10)
            ),
        )
        count = ("headrace_call_cost_usd_count", _CALLS[1])
        wait_until(lambda: consumer.scrape().get(count) == 20, "the cost of 20 calls")
        wait_until(lambda: consumer.scrape().get(_CALLS) == 20, "20 calls")
        text = ask(consumer.port, "/metrics", "application/openmetrics-text; version=1.0.0")[1]
        assert 'le="0.64",module="support",signature="Triage",version="v1"} 20.0 # {request_id="r' in text
    finally:
        consumer.kill()
