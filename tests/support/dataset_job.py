"""The dataset consumer as deployed: real processes on a real Kafka, and an independent account of what they owe.

The account is made from the topic's raw messages with fastavro, json and hashlib alone: nothing that the consumer
decides with takes part in it.
"""

import io
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
from confluent_kafka import Producer

from headrace_schemas import interaction_codec
from tests.support import warm
from tests.support.interactions import interaction
from tests.support.kafka import Kafka
from tests.support.murmur2 import partition_by_murmur2

__all__ = ["DatasetJob", "Expected", "expected_of"]

KEY_LENGTH = 64
_CODEC = interaction_codec()
_SCHEMA = json.loads((resources.files("headrace_schemas") / "avro" / "interaction.v1.avsc").read_text())


@dataclass(frozen=True)
class Expected:
    """What the tables must hold.

    Attributes:
        rows: dedup key -> (partition, offset, event id, input, output) of the winning copy.
        unreadable: (partition, offset) of the dead letters.
        copies: (partition, offset) of each copy behind a winning one -> its key.
    """

    rows: dict[str, tuple[int, int, str, str, str]]
    unreadable: set[tuple[int, int]]
    copies: dict[tuple[int, int], str]


class DatasetJob:
    """One topic, one table, and consumer processes between them.

    Args:
        kafka: the broker.
        folder: table, state, configuration and logs go here.
        partitions: of the topic.
        settings: further keys of the configuration's dataset section.
    """

    def __init__(self, kafka: Kafka, folder: Path, *, partitions: int = 4, **settings: Any) -> None:
        self.kafka = kafka
        self.folder = folder
        self.topic = kafka.create_topic(partitions=partitions)
        self.feedback_topic = kafka.create_topic(partitions=partitions)
        self.dead_letter_topic = kafka.create_topic(partitions=1, config={"max.message.bytes": "8388608"})
        self.table_path = folder / "table"
        self.config_path = folder / "headrace.json"
        session_ms = 6000 if kafka.how == "env" else 1500  # somebody's own broker may not allow less
        self.config: dict[str, Any] = {
            "kafka": {
                "bootstrap_servers": kafka.bootstrap_servers,
                "topics": {
                    "interactions": self.topic,
                    "feedback": self.feedback_topic,
                    "dead_letters": self.dead_letter_topic,
                },
                "consumer_options": {"session.timeout.ms": session_ms, "heartbeat.interval.ms": 400},
            },
            "dataset": {
                "path": str(self.table_path),
                "state_path": str(folder / "state"),
                "group_id": f"group-{self.topic}",
                "commit_interval_s": 0.3,
                **settings,
            },
        }
        self.config_path.write_text(json.dumps(self.config))
        self._started = 0

    def delete_topics(self) -> None:
        """Delete its topics, where many jobs share a broker.

        Raises:
            KafkaException: the broker does not answer or refuses.
        """
        self.kafka.delete_topics([self.topic, self.feedback_topic, self.dead_letter_topic])

    def reconfigure(self, **settings: Any) -> None:
        """Change keys of the configuration's dataset section, for the processes that are started next."""
        self.config["dataset"].update(settings)
        self.config_path.write_text(json.dumps(self.config))

    def start(
        self, *arguments: str, kill_at: str | None = None, idle_exit_s: float | None = 1.0, what: str = "dataset"
    ) -> subprocess.Popen[bytes]:
        """Start a consumer process; its log goes to a file in the folder."""
        self._started += 1
        command = ["consume", what, "--json", "--config", str(self.config_path), "--log-format", "json", *arguments]
        command += ["--idle-exit-s", str(idle_exit_s)] if idle_exit_s is not None else []
        environment = {**os.environ, **({"HEADRACE_TEST_KILL_AT": kill_at} if kill_at else {})}
        with (self.folder / f"consumer-{self._started}.log").open("wb") as log:
            return warm.headrace(*command, stdout=subprocess.PIPE, stderr=log, env=environment)

    def finish(self, process: subprocess.Popen[bytes], timeout_s: float = 240) -> dict[str, Any]:
        """Wait for a process that was to end by itself; return its counts."""
        output, _ = process.communicate(timeout=timeout_s)
        assert process.returncode == 0, self.logs()
        counts: dict[str, Any] = json.loads(output)
        return counts

    def refusal(self, process: subprocess.Popen[bytes], timeout_s: float = 240) -> str:
        """Wait for a process that was to refuse; return the one line that it said beside its log."""
        process.communicate(timeout=timeout_s)
        assert process.returncode == 1, self.logs()
        text = (self.folder / f"consumer-{self._started}.log").read_text()
        (line,) = [line for line in text.splitlines() if not line.startswith("{")]
        return line

    def write(self, questions: Iterable[object], *, partition: int | None = None) -> None:
        """Write a record for each question, where murmur2 puts its key, or to one partition."""
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
        place = {} if partition is None else {"partition": partition}
        for question in questions:
            record = interaction(question)
            producer.produce(self.topic, _CODEC.encode(record), record["dedup_key"].encode(), **place)
        assert producer.flush(120) == 0

    def logs(self) -> str:
        """Return the ends of all logs, for a failed assertion."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("consumer-*.log"))
        )

    def feedback(self) -> pl.DataFrame:
        """Return the whole feedback table."""
        return self._scan("-feedback").collect()

    def table(self) -> pl.DataFrame:
        """Return the whole table."""
        return self._scan().collect()

    def insist_on(self, expected: Expected) -> None:
        """Compare the table with what is expected, row by row, and the dead letters by where they came from."""
        table = self.table()
        columns = ["dedup_key", "partition", "offset", "event_id", "input", "output"]
        found: dict[str, list[tuple[Any, ...]]] = {}
        for key, *row in table.select(columns).iter_rows():
            found.setdefault(key, []).append(tuple(row))
        twice = {key: rows for key, rows in found.items() if len(rows) > 1}
        missing = expected.rows.keys() - found.keys()
        surplus = found.keys() - expected.rows.keys()
        assert not twice, f"{len(twice)} keys twice, e.g. {next(iter(twice.items()))}"
        assert not missing, f"{len(missing)} keys missing, e.g. {[expected.rows[key] for key in sorted(missing)[:3]]}"
        assert not surplus, f"{len(surplus)} keys that are not expected, e.g. {[found[k] for k in sorted(surplus)[:3]]}"
        different = {key: (found[key][0], row) for key, row in expected.rows.items() if found[key][0] != row}
        assert not different, f"{len(different)} rows differ, e.g. {next(iter(different.items()))}"
        assert self.dead_letters() == expected.unreadable
        self.insist_on_sightings(expected)

    def insist_on_sightings(self, expected: Expected) -> None:
        """Compare the sightings with the copies that are expected, each once."""
        if not self.config["dataset"].get("sightings", True):
            return
        rows = self._scan("-sightings").select("partition", "offset", "dedup_key").collect().rows()
        found = {(partition, offset): key for partition, offset, key in rows}
        assert len(rows) == len(found), f"{len(rows) - len(found)} sightings twice"
        assert found == expected.copies

    def _scan(self, suffix: str = "") -> pl.LazyFrame:
        dataset = self.config["dataset"]
        return pl.scan_delta(f"{dataset['path']}{suffix}", storage_options=dataset.get("storage_options"))

    def dead_letters(self) -> set[tuple[int, int]]:
        """Return the (partition, offset) of all dead letters, whose keys say them."""
        keys = [message.key().decode() for message in self.kafka.records(self.dead_letter_topic)]
        return {(int(partition), int(offset)) for _, partition, offset in (key.rsplit("/", 2) for key in keys)}


def expected_of(kafka: Kafka, topic: str, schema: Any = _SCHEMA) -> Expected:
    """Return what a table made from this topic, written with this schema, must hold with the default filter."""
    rows: dict[str, tuple[int, int, str, str, str]] = {}
    unreadable: set[tuple[int, int]] = set()
    copies: dict[tuple[int, int], str] = {}
    partitions = len(kafka.admin.list_topics(topic, timeout=30).topics[topic].partitions)
    for message in kafka.records(topic):
        place = (message.partition(), message.offset())
        if len(message.key() or b"") == KEY_LENGTH and partition_by_murmur2(message.key(), partitions) != place[0]:
            unreadable.add(place)  # its copies are elsewhere
            continue
        if (key := (message.key() or b"").decode("ascii", "replace")) in rows:  # a copy of a known key is never decoded
            copies[place] = key
            continue
        record = _read(message.value(), schema)
        if record is None:
            unreadable.add(place)
            continue
        passes = (
            record["success"]
            and not record["truncated"]
            and (record["latency_ms"] is None or record["latency_ms"] <= 5000)
            and (record["cost_usd"] is None or record["cost_usd"] <= 0.10)
        )
        if passes:
            rows[record["dedup_key"]] = (*place, record["event_id"], record["input"], record["output"])
    return Expected(rows, unreadable, copies)


def _read(value: bytes, schema: Any) -> dict[str, Any] | None:
    buffer = io.BytesIO(value)
    if buffer.read(10)[:2] != b"\xc3\x01":
        return None
    try:
        record = fastavro.schemaless_reader(buffer, schema)
    except (EOFError, ValueError, IndexError):
        return None
    return record if not buffer.read(1) else None  # type: ignore[return-value]
