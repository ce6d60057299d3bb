"""Field encryption through a real broker: unreadable on the topic, plain in the table of the consumer with the keys."""

import base64
import json
import os

import polars as pl
import pytest
from confluent_kafka import Consumer

from headrace.config import load
from headrace.delivery import Pipeline
from tests.support import warm
from tests.support.interactions import NOW_MS
from tests.unit.headrace.calls import captured_call

RECORDS = 5


@pytest.fixture
def config(kafka, tmp_path):
    """A configuration whose last record has been written with one key, all others with another."""
    for number, name in enumerate(["old", "new", "dedup"]):
        (tmp_path / name).write_text(base64.b64encode(bytes([number] * 32)).decode())
    topics = {"interactions": kafka.create_topic(partitions=2), "dead_letters": kafka.create_topic()}
    values = {
        "kafka": {"bootstrap_servers": kafka.bootstrap_servers, "topics": topics},
        "telemetry": {"follow_control": False},
        "spool": {"path": str(tmp_path / "spool")},
        "dataset": {"path": str(tmp_path / "table"), "state_path": str(tmp_path / "state")},
        "encryption": {
            "keys": {name: f"file:{tmp_path / name}" for name in ("old", "new")},
            "dedup_key": f"file:{tmp_path / 'dedup'}",
        },
    }
    path = tmp_path / "headrace.json"
    path.write_text(json.dumps(values))
    for write_key, numbers in {"old": range(RECORDS - 1), "new": range(RECORDS - 2, RECORDS)}.items():
        pipeline = Pipeline(load(path, {"encryption": {"write_key": write_key}}, {}))
        for number in numbers:  # the keys change in between, and one question is asked with either
            question = {"question": f"tulip {number}"}
            pipeline.submit(captured_call(number, input=question, output={"answer": "rose"}, timestamp_ms=NOW_MS))
        assert pipeline.flush(60)
        assert pipeline.close(60)
        assert not pipeline.stats().dropped
    return path


def consume(config):
    arguments = ["consume", "dataset", "--config", str(config), "--idle-exit-s", "3", "--json"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    done = warm.run(*arguments, env=environ)
    assert done.returncode == 0, done.stderr
    assert "tulip" not in done.stderr
    return json.loads(done.stdout)


def on_topic(config):
    values = json.loads(config.read_text())["kafka"]
    consumer = Consumer(
        {"bootstrap.servers": values["bootstrap_servers"], "group.id": "look", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([values["topics"]["interactions"]])
    found = []
    while len(found) < RECORDS + 1:
        found += consumer.consume(RECORDS + 1, 10)
    consumer.close()
    return b"".join(message.value() for message in found)


def test_the_topic_is_unreadable_and_the_table_is_plain_with_each_key(config):
    written = on_topic(config)
    assert b"tulip" not in written
    assert b"rose" not in written
    tally = consume(config)
    assert (tally["kept"], tally["duplicates"], tally["dead_letters"]) == (RECORDS, 1, {})
    questions = pl.read_delta(json.loads(config.read_text())["dataset"]["path"])["input"].to_list()
    assert sorted(questions) == [json.dumps({"question": f"tulip {n}"}, separators=(",", ":")) for n in range(RECORDS)]


def test_a_consumer_that_lacks_a_key_makes_dead_letters_and_skips_nothing(config):
    values = json.loads(config.read_text())
    del values["encryption"]["keys"]["new"]
    config.write_text(json.dumps(values))
    tally = consume(config)
    assert tally["consumed"] == RECORDS + 1
    assert (tally["kept"], tally["dead_letters"]) == (RECORDS - 1, {"undecryptable": 1})
    assert tally["duplicates"] == 1
