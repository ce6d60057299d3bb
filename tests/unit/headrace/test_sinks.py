"""What every sink must do: tell of each record exactly once, open nothing early, leave nothing behind."""

import json
import socket
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from headrace.config import Config, load
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.sinks import JsonlSink, KafkaSink, MemorySink, Returned, Sink, sink_for
from headrace_schemas import Codec, Interaction, interaction_codec
from headrace_schemas.topics import INTERACTIONS
from headrace_schemas.vectors import EXAMPLE
from tests.support.waiting import wait_until

LONG_S = 30.0


def record_of(number: int, **changes: Any) -> Interaction:
    changed: dict[str, Any] = {**EXAMPLE, "event_id": f"event-{number}", "dedup_key": f"{number:064x}", **changes}
    return changed  # type: ignore[return-value]


class Harness(ABC):
    """One kind of sink, one that cannot deliver, and what arrived where it writes."""

    @abstractmethod
    def working(self) -> Sink: ...

    @abstractmethod
    def failing(self) -> Sink: ...

    @abstractmethod
    def arrived(self) -> list[str]:
        """Return the event ids that a reader finds."""


class MemoryHarness(Harness):
    def __init__(self) -> None:
        self._sink = MemorySink()

    def working(self) -> Sink:
        return self._sink

    def failing(self) -> Sink:
        self._sink.fail_with = "broken on purpose"
        return self._sink

    def arrived(self) -> list[str]:
        return [record["event_id"] for record in self._sink.records]


class JsonlHarness(Harness):
    def __init__(self, folder: Path) -> None:
        self._log = folder / "logs" / "calls.jsonl"
        self._blocked = folder / "file" / "calls.jsonl"

    def working(self) -> Sink:
        return JsonlSink(load(None, {"telemetry": {"log_file_path": str(self._log)}}, {}))

    def failing(self) -> Sink:
        self._blocked.parent.write_text("not a folder")
        return JsonlSink(load(None, {"telemetry": {"log_file_path": str(self._blocked)}}, {}))

    def arrived(self) -> list[str]:
        lines = self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        return [json.loads(line)["event_id"] for line in lines]


class KafkaHarness(Harness):
    def __init__(self) -> None:
        self._cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
        (broker,) = self._cluster.list_topics(timeout=LONG_S).brokers.values()
        self.servers = f"{broker.host}:{broker.port}"

    def working(self) -> Sink:
        return KafkaSink(kafka_config(self.servers))

    def failing(self) -> Sink:
        return KafkaSink(kafka_config(refusing_address(), **{"message.timeout.ms": 200, "linger.ms": 1}))

    def arrived(self) -> list[str]:
        return [record["event_id"] for record in self.read(INTERACTIONS, interaction_codec())]

    def read(self, topic: str, codec: Codec[Any]) -> list[Any]:
        reader = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": "test",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        partitions = reader.list_topics(topic, timeout=LONG_S).topics[topic].partitions
        reader.subscribe([topic])
        found: list[Any] = []
        ends = 0
        try:
            while ends < len(partitions):
                message = reader.poll(LONG_S)
                assert message is not None
                if message.error():
                    ends += 1
                else:
                    found.append(codec.decode(message.value()))
        finally:
            reader.close()
        return found


def kafka_config(servers: str, **options: Any) -> Config:
    return load(None, {"kafka": {"bootstrap_servers": servers, "producer_options": options}}, {})


def refusing_address() -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{closed.getsockname()[1]}"


@pytest.fixture(params=["memory", "jsonl", "kafka"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    if request.param == "jsonl":
        yield JsonlHarness(tmp_path)
    else:
        yield MemoryHarness() if request.param == "memory" else KafkaHarness()


class Told:
    """Counts what a sink said of each record."""

    def __init__(self) -> None:
        self.words: Counter[tuple[int, str | None]] = Counter()
        self.returned: list[Outgoing | None] = []

    def send(self, sink: Sink, number: int, **changes: Any) -> None:
        def done(lost_for: str | None, returned: Returned | None = None) -> None:
            self.words[number, lost_for] += 1
            if returned is not None:
                self.returned.append(returned())

        wait_until(
            lambda: sink.send(Outgoing("interaction", record_of(number, **changes)), done) or sink.poll(0.05),
            "room in the sink",
        )


def settle(sink: Sink) -> None:
    def settled() -> bool:
        sink.poll(0.05)
        return not sink.pending()

    wait_until(settled, "every record to be told of", LONG_S)


def test_each_record_arrives_and_is_told_of_once(harness: Harness) -> None:
    sink, told = harness.working(), Told()
    for number in range(200):
        told.send(sink, number)
    settle(sink)
    assert told.words == {(number, None): 1 for number in range(200)}
    assert Counter(harness.arrived()) == {f"event-{number}": 1 for number in range(200)}
    sink.close(LONG_S)


def test_closing_waits_for_what_was_sent(harness: Harness) -> None:
    sink, told = harness.working(), Told()
    told.send(sink, 1)
    sink.close(LONG_S)
    assert told.words == {(1, None): 1}
    assert harness.arrived() == ["event-1"]


def test_settling_waits_gives_back_the_rest_and_closes_nothing(harness: Harness) -> None:
    sink, told = harness.working(), Told()
    told.send(sink, 1)
    sink.settle(LONG_S)
    assert (sink.pending(), told.words) == (0, {(1, None): 1})
    told.send(sink, 2)
    sink.close(LONG_S)
    assert Counter(harness.arrived()) == {"event-1": 1, "event-2": 1}
    sink, told = harness.failing(), Told()
    told.send(sink, 1)
    sink.settle(0)
    assert (sink.pending(), told.words.total()) == (0, 1)
    sink.close(0)


def test_a_record_that_cannot_be_delivered_is_told_of_once_with_a_reason(harness: Harness) -> None:
    sink, told = harness.failing(), Told()
    told.send(sink, 1)
    settle(sink)
    ((_, reason),) = told.words
    assert told.words.total() == 1
    assert reason in {"broken on purpose", "log_ENOTDIR", "log_EEXIST", "kafka:_MSG_TIMED_OUT"}
    sink.close(0)


def test_closing_in_no_time_tells_of_everything(harness: Harness) -> None:
    sink, told = harness.failing(), Told()
    for number in range(10):
        told.send(sink, number)
    sink.close(0)
    assert sorted(number for number, _ in told.words.elements()) == list(range(10))
    assert not any(reason is None for _, reason in told.words)
    if isinstance(sink, KafkaSink):
        assert sorted(outgoing.id for outgoing in told.returned if outgoing) == sorted(f"event-{n}" for n in range(10))


def test_nothing_is_opened_before_the_first_record(harness: Harness, tmp_path: Path) -> None:
    threads, files = threading.active_count(), list(tmp_path.iterdir())
    sink = harness.working()
    sink.poll(0)
    assert sink.pending() == 0
    assert (threading.active_count(), list(tmp_path.iterdir())) == (threads, files)
    sink.close(0)
    sink.close(0)


def test_a_record_that_does_not_fit_is_lost_alone(harness: Harness) -> None:
    sink, told = harness.working(), Told()
    told.send(sink, 1)
    told.send(sink, 2, error="\udcff")
    told.send(sink, 3)
    settle(sink)
    if not isinstance(sink, MemorySink):  # which takes anything
        assert told.words == {(1, None): 1, (2, "encode_failed"): 1, (3, None): 1}
        assert sorted(harness.arrived()) == ["event-1", "event-3"]
    sink.close(LONG_S)


def test_an_abandoned_sink_holds_nothing_any_more(harness: Harness) -> None:
    sink, told = harness.working(), Told()
    told.send(sink, 1)
    settle(sink)
    sink.abandon()
    assert sink.pending() == 0
    sink.close(0)


def test_the_configuration_chooses_the_sink() -> None:
    assert isinstance(sink_for(load(None, {}, {})), JsonlSink)
    assert isinstance(sink_for(kafka_config("broker:9092")), KafkaSink)
