"""A broker, clients and processes that share a spool, without threads and without waiting: for tests of outages.

Everything but the broker and the clock is real: outbox, Kafka sink, spool, ledger, files and locks.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError

from headrace.config import Config, load
from headrace.delivery.complaints import Complaints
from headrace.delivery.outbox import Outbox
from headrace.delivery.outgoing import Kind, Outgoing
from headrace.delivery.sinks import KafkaSink
from headrace.delivery.spool import spool_for
from headrace.ledger import Ledger
from headrace_schemas import Codec, feedback_codec, interaction_codec, statistics_codec, topics
from tests.unit.headrace.test_sinks import record_of

__all__ = ["CAPACITY", "Broker", "Process", "World", "feedback_of", "statistics_of"]

CAPACITY = 8
CODECS: dict[str, Codec[Any]] = {
    topics.INTERACTIONS: interaction_codec(),
    topics.FEEDBACK: feedback_codec(),
    topics.STATISTICS: statistics_codec(),
}
ID = {topics.INTERACTIONS: "event_id", topics.FEEDBACK: "feedback_id", topics.STATISTICS: "sequence"}


def feedback_of(number: int) -> dict[str, Any]:
    return {
        "feedback_id": f"feedback-{number}",
        "request_id": f"request-{number}",
        "module_name": None,
        "subject_id": None,
        "score": 1.0,
        "label": None,
        "comment": None,
        "correction": None,
        "timestamp_ms": 1_700_000_000_000,
        "service": "",
        "environment": "production",
        "instance": "host-1",
        "redaction_version": "1",
        "redactions": 0,
        "truncated": False,
    }


def statistics_of(sequence: int, *, is_last: bool = False) -> Outgoing:
    record: dict[str, Any] = {
        "instance": "host-1",
        "started_at_ms": 0,
        "sequence": sequence,
        "timestamp_ms": 0,
        "is_last": is_last,
        "service": "",
        "environment": "production",
        "release": "",
        "sampled": 0,
        "adopted": 0,
        "delivered": 0,
        "spooled": 0,
        "in_flight": 0,
        "dropped": [],
        "spool_bytes": 0,
        "program_failures": [],
        "calls": [],
    }
    return Outgoing("statistics", record)  # type: ignore[arg-type]


class Broker:
    """Keeps what it is sent, while it is up.

    Attributes:
        stored: the ids it has, in order, repeated ones too.
        is_up: whether it answers at all.
        missing: topics that do not exist.
    """

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.is_up = True
        self.missing: set[str] = set()

    def store(self, topic: str, value: bytes) -> str:
        self.stored.append(str(CODECS[topic].decode(value)[ID[topic]]))
        return self.stored[-1]


class Message:
    def __init__(self, topic: str, value: bytes, on_delivery: Any) -> None:
        self.topic, self._value, self.on_delivery = topic, value, on_delivery

    def value(self) -> bytes:
        return self._value


class Client:
    """Stands for confluent-kafka's producer. The test decides what becomes of the messages that wait in it."""

    def __init__(self, broker: Broker, options: dict[str, Any]) -> None:
        self._broker = broker
        self.options = options
        self.waiting: list[Message] = []
        self.acknowledged: list[str] = []
        self.in_flight = 0  # of the waiting ones, the first so many were sent
        self.taken_back = 0
        self._is_purged = False

    def produce(self, topic: str, value: bytes, *_: object, on_delivery: Any, **__: object) -> None:
        if len(self.waiting) >= CAPACITY:
            raise BufferError
        self.waiting.append(Message(topic, value, on_delivery))

    def poll(self, _: float) -> None:
        count, self.taken_back = self.taken_back, 0
        for message in self.waiting[len(self.waiting) - count :] if count else []:
            self.waiting.remove(message)
            message.on_delivery(KafkaError(KafkaError._PURGE_QUEUE), message)

    def flush(self, timeout_s: float) -> int:
        if self._is_purged:
            self._is_purged = False
            self.fail(len(self.waiting), KafkaError._PURGE_QUEUE)
        elif timeout_s and self._broker.is_up:
            self.acknowledge(len(self.waiting))
        return len(self.waiting)

    def purge(self, *, in_flight: bool = True) -> None:
        if in_flight:
            self._is_purged = True
        else:
            self.taken_back = max(0, len(self.waiting) - self.in_flight)

    def __len__(self) -> int:
        return len(self.waiting)

    def acknowledge(self, count: int) -> None:
        """The broker takes so many messages and says so."""
        self.in_flight = max(0, self.in_flight - count)
        for _ in range(min(count, len(self.waiting))):
            message = self.waiting.pop(0)
            if message.topic in self._broker.missing:
                message.on_delivery(KafkaError(KafkaError._UNKNOWN_TOPIC), message)
                continue
            self.acknowledged.append(self._broker.store(message.topic, message.value()))
            message.on_delivery(None, message)

    def fail(self, count: int, code: int, *, is_stored: bool = False) -> None:
        """So many messages come back; the broker may have them all the same."""
        self.in_flight = max(0, self.in_flight - count)
        for _ in range(min(count, len(self.waiting))):
            message = self.waiting.pop(0)
            if is_stored:
                self._broker.store(message.topic, message.value())
            message.on_delivery(KafkaError(code), message)

    def lose_all_brokers(self) -> None:
        self.options["error_cb"](KafkaError(KafkaError._ALL_BROKERS_DOWN))


class World:
    """A broker, a clock, a spool on disk."""

    def __init__(self, folder: Path, **spool: Any) -> None:
        self.root = folder / "spool"
        self.broker = Broker()
        self.now_s = 1_700_000_000.0
        self._started = 0
        sections = {"kafka": {"bootstrap_servers": "broker:9092"}, "spool": {"path": str(self.root), **spool}}
        self.config: Config = load(None, sections, {})

    def start(self) -> "Process":
        self._started += 1
        return Process(self, f"host-{self._started}")

    def clock(self) -> float:
        return self.now_s

    def on_disk(self) -> list[str]:
        """Return the ids of all whole lines in the spool, from the saved positions on."""
        return [id_ for folder in sorted(self.root.glob("*")) if folder.is_dir() for _, id_ in lines_in(folder)]


def lines_in(folder: Path) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield ((segment, offset), id) for each whole line in a process's folder, from the saved positions on."""
    for path in sorted(folder.glob("*.jsonl*")):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        segment = path.name.partition(".")[0]
        position = folder / f"{segment}.position"
        offset, start = 0, int(position.read_text()) if position.exists() else 0
        for line in data.splitlines(keepends=True):
            if offset >= start and line.endswith(b"\n"):
                value = json.loads(line)
                key = {"interaction": "event_id", "feedback": "feedback_id", "statistics": "sequence"}[value["kind"]]
                yield (segment, offset), str(value["record"][key])
            offset += len(line)


class Process:
    """One producer process, up to and without its worker thread."""

    def __init__(self, world: World, instance: str) -> None:
        self.world = world
        self.instance = instance
        self.clients: list[Client] = []
        self.ledger = Ledger(instance)
        self.sink = KafkaSink(world.config, make_producer=self._make_client, clock=world.clock)
        self.spool = spool_for(world.config, instance, time_s=world.clock, clock=world.clock)
        self.outbox = Outbox(self.sink, self.ledger, self.spool, complaints=Complaints(world.clock), clock=world.clock)

    @property
    def client(self) -> Client:
        return self.clients[-1]

    @property
    def folder(self) -> Path:
        return self.world.root / self.instance

    def send(self, number: int, kind: Kind = "interaction") -> str:
        record: Any = record_of(number) if kind == "interaction" else feedback_of(number)
        outgoing = Outgoing(kind, record)
        assert self.outbox.send(outgoing, self.ledger.open())
        return outgoing.id

    def tick(self, records: int = 100) -> None:
        self.outbox.replay(records)
        self.outbox.poll(0)

    def crash(self) -> list[str]:
        """Die as by SIGKILL; return the ids that only the memory had."""
        lost = [str(CODECS[m.topic].decode(m.value())[ID[m.topic]]) for c in self.clients for m in c.waiting]
        for client in self.clients:
            client.waiting.clear()
        self.outbox.abandon()  # the kernel closes the files, and with them the lock
        return lost

    def exit(self, timeout_s: float = 5) -> None:
        self.outbox.hasten(timeout_s)
        self.outbox.settle(timeout_s)
        self.outbox.close(timeout_s)

    def _make_client(self, options: dict[str, Any]) -> Client:
        self.clients.append(Client(self.world.broker, options))
        return self.clients[-1]
