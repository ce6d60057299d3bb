"""`headrace doctor` on a real Kafka: a working set-up, and what it finds when something is broken."""

import json
import time
import uuid

import pytest
from confluent_kafka import Producer

from headrace.config import load
from headrace.control import SamplingOrder, SamplingScope
from headrace.delivery import Pipeline
from headrace_consumers.cli import main
from headrace_consumers.control import ControlTopic
from headrace_consumers.topics import Broker, wanted
from headrace_schemas.keys import partition_of
from tests.support.interactions import interaction
from tests.support.kafka_settings import quiet_client
from tests.support.waiting import wait_until
from tests.unit.headrace.calls import captured_call


class SetUp:
    """Topics, a table and a configuration that no other test has."""

    def __init__(self, kafka, folder, capsys):
        prefix = f"doctor-{uuid.uuid4().hex[:12]}"
        self.names = {
            name: f"{prefix}.{name}" for name in ("interactions", "dead_letters", "statistics", "feedback", "control")
        }
        values = {
            "telemetry": {"enabled": True, "service": "shop", "log_file_path": str(folder / "log.jsonl")},
            "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": self.names},
            "dataset": {"path": str(folder / "table"), "state_path": str(folder / "state"), "group_id": prefix},
            "optimization": {"telemetry_target": 50},
        }
        self.path = folder / "headrace.json"
        self.path.write_text(json.dumps(values))
        self.config = load(self.path, environ={})
        self.broker = Broker(self.config)
        self.address = kafka.bootstrap_servers
        self._capsys = capsys

    def create(self):
        self.broker.create(wanted(self.config), partitions=2)
        wait_until(lambda: len(self.broker.describe(list(self.names.values()))) == len(self.names), "the topics")

    def produce(self, *calls):
        pipeline = Pipeline(self.config)
        for call in calls:
            assert pipeline.submit(call)
        assert pipeline.close(30)

    def consume(self):
        assert main(["consume", "dataset", "--idle-exit-s", "1", "--config", str(self.path)]) == 0
        self._capsys.readouterr()

    def examine(self):
        code = main(["doctor", "--config", str(self.path), "--json"])
        results = json.loads(self._capsys.readouterr().out)["results"]
        self.all = [(result["check"], result["state"], result["what"]) for result in results]
        return code, {check: (state, what) for check, state, what in self.all}


@pytest.fixture
def set_up(kafka, tmp_path, capsys, monkeypatch):
    import os

    for name in [name for name in os.environ if name.startswith("HEADRACE_") and "TEST" not in name]:
        monkeypatch.delenv(name)
    made = SetUp(kafka, tmp_path, capsys)
    yield made
    made.broker.delete(list(made.names.values()))


def test_a_working_set_up_is_ok_from_service_to_table(set_up):
    set_up.create()
    now_ms = time.time_ns() // 1_000_000
    set_up.produce(*(captured_call(number % 40, timestamp_ms=now_ms) for number in range(60)))
    set_up.consume()
    code, results = set_up.examine()
    assert code == 0, results
    topic = set_up.names["interactions"]
    assert results[f"traffic of {topic}"][0] == "ok"
    assert results[f"traffic of {topic}"][1].endswith("; 60 in all")
    assert results[f"records of {topic}"] == ("ok", "the newest 60 are readable")
    assert results["duplicates of Answer"] == ("ok", "33% of the newest 60 records")
    assert results["examples of Answer"] == ("ok", "100% of the newest 60 records pass the filter")
    assert results["dataset Answer"] == ("note", "40 rows, 50 are wanted (optimization.telemetry_target)")
    assert results["dead letters"] == ("ok", "none")
    assert results["clocks"][0] == "ok"
    assert all(results[f"topic {name}"] == ("ok", "as it should be") for name in set_up.names.values())


def test_before_the_topics_are_made_each_is_missing(set_up):
    code, results = set_up.examine()
    assert code == 1
    assert all(results[f"topic {name}"] == ("wrong", "missing") for name in set_up.names.values())
    assert results["broker"][0] == "ok"


def test_foreign_bytes_a_clock_far_ahead_and_orders_are_found(set_up):
    set_up.create()
    producer = Producer(quiet_client(set_up.address))
    producer.produce(set_up.names["interactions"], b"not ours", b"key")
    producer.produce(set_up.names["control"], b"not ours", b"sampling/*/*/*", partition=0)
    elsewhere = interaction("of a writer with another partitioner")["dedup_key"].encode()
    producer.produce(set_up.names["interactions"], b"?", elsewhere, partition=1 - partition_of(elsewhere, 2))
    assert producer.flush(30) == 0
    set_up.produce(captured_call(timestamp_ms=time.time_ns() // 1_000_000 + 3_600_000))
    set_up.consume()
    scope = SamplingScope("*", "shop", "support")
    control = ControlTopic(set_up.config)
    control.write(SamplingOrder(scope=scope, enabled=False, updated_at_ms=time.time_ns() // 1_000_000))
    code, results = set_up.examine()
    assert code == 1
    assert [(state, what) for check, state, what in set_up.all if check == "orders"] == [
        ("note", "an order holds module support off: nothing of it is captured"),
        ("wrong", "the order at offset 0 is ignored by producers: it is unreadable (not_single_object)"),
    ]
    topic = set_up.names["interactions"]
    assert {what for check, state, what in set_up.all if (check, state) == (f"records of {topic}", "wrong")} == {
        "1 of the newest 3 are unreadable: not_single_object",
        "1 of the newest 3 are unreadable: misplaced",
    }
    assert results["dead letters"][0] == "note"
    assert "2 in " in results["dead letters"][1]
    assert "misplaced, not_single_object" in results["dead letters"][1]
    (clock,) = [found for check, *found in set_up.all if check.startswith("clock of ")]
    assert clock[0] == "wrong"
    assert clock[1].endswith(" s ahead of the broker's")


def test_a_topic_with_the_producers_times_is_wrong(set_up, kafka):
    set_up.create()
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

    entry = ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, set_up.names["interactions"], incremental_configs=[entry])
    for altered in kafka.admin.incremental_alter_configs([resource]).values():
        altered.result(30)
    wait_until(lambda: set_up.examine()[0] == 1, "the setting to show")
    _, results = set_up.examine()
    state, what = results[f"topic {set_up.names['interactions']}"]
    assert (state, what) == ("wrong", "message.timestamp.type is CreateTime, expected LogAppendTime")
