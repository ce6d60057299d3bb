"""A dataset built anew beside the live one with other filters, and switched to; its feedback outlives Kafka's."""

import json

import polars as pl
from confluent_kafka import Producer, TopicPartition

from headrace_schemas import feedback_codec, keys
from tests.support import warm
from tests.support.dataset_job import DatasetJob
from tests.support.interactions import interaction, message_of
from tests.unit.consumers.feedback.records import feedback


def produce(job, numbers):
    producer = Producer({"bootstrap.servers": job.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    for number in numbers:
        latency_ms = 6000.0 if number % 2 else 100.0
        message = message_of(interaction(number, latency_ms=latency_ms, request_id=f"request-{number}"))
        producer.produce(job.topic, message.value, message.key)
    assert producer.flush(30) == 0


def give(job, numbers):
    """Feedback on these requests, consumed; then Kafka holds none of it any more."""
    producer = Producer({"bootstrap.servers": job.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    for number in numbers:
        record = feedback(feedback_id=f"{number:032x}", request_id=f"request-{number}", module_name=None)
        value = feedback_codec().encode(record)
        producer.produce(job.feedback_topic, value, keys.request_id_hash(record["request_id"]))
    assert producer.flush(30) == 0
    assert job.finish(job.start(what="feedback"))["kept"] == len(numbers)
    to_the_end = [TopicPartition(job.feedback_topic, partition, -1) for partition in range(4)]
    for deleted in job.kafka.admin.delete_records(to_the_end).values():
        deleted.result(30)


def has_feedback(job):
    """The questions whose rows are shown with feedback, as any reader finds it."""
    arguments = ["-s", interaction()["signature"], "-n", "100", "--config", str(job.config_path), "--json"]
    rows = json.loads(warm.run("dataset", "show", *arguments).stdout)
    return {row["input"]["question"] for row in rows if row.get("feedback")}


def rebuild(config_path, *more):
    options = ["--config", str(config_path), "--idle-exit-s", "1", "--log-level", "error"]
    ended = warm.run("consume", "dataset", "--rebuild", "slow-too", *options, *more)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_other_filters_beside_the_live_table_and_then_in_its_place(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path)
    produce(job, range(40))
    assert job.finish(job.start())["kept"] == 20
    give(job, [2, 4])
    assert len(has_feedback(job)) == 2
    live = job.table()

    other = {**job.config, "filters": {"default": {"max_latency_ms": 10_000}}}
    other_path = tmp_path / "other.json"
    other_path.write_text(json.dumps(other))
    out = rebuild(other_path)
    switch = dict(line.removeprefix("  dataset.").split() for line in out.splitlines() if line.startswith("  dataset."))
    assert switch == {"path": f"{job.table_path}-slow-too", "feedback_path": f"{job.table_path}-feedback"}
    assert f"headrace erase ... --table {job.table_path}\n" in out
    assert json.loads(rebuild(other_path, "--json"))["switch"] == {
        "table": switch["path"],
        "settings": {f"dataset.{key}": value for key, value in switch.items()},
        "then_delete": [f"{job.table_path}", f"{job.table_path}-sightings"],
        "until_then_erase_from": [f"{job.table_path}"],
    }
    assert len(pl.scan_delta(f"{job.table_path}-slow-too").collect()) == 40
    assert job.table().equals(live)

    produce(job, range(30, 60))  # ten copies, twenty new ones
    job.config["filters"] = other["filters"]
    job.reconfigure(path=switch["path"])
    assert has_feedback(job) == set()  # what the other setting is for
    job.reconfigure(**switch)
    counts = job.finish(job.start())
    assert (counts["consumed"], counts["duplicates"], counts["kept"]) == (30, 10, 20)
    before = has_feedback(job)
    assert len(before) == 2
    give(job, [3, 5])  # the feedback consumer goes on where it stood
    assert len(has_feedback(job)) == 4
    assert not (tmp_path / "table-slow-too-feedback").exists()
