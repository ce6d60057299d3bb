"""A dataset built anew beside the live one with other filters, and switched to."""

import json

import polars as pl
from confluent_kafka import Producer

from tests.support import warm
from tests.support.dataset_job import DatasetJob
from tests.support.interactions import interaction, message_of


def produce(job, numbers):
    producer = Producer({"bootstrap.servers": job.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    for number in numbers:
        message = message_of(interaction(number, latency_ms=6000.0 if number % 2 else 100.0))
        producer.produce(job.topic, message.value, message.key)
    assert producer.flush(30) == 0


def rebuild(config_path):
    options = ["--config", str(config_path), "--idle-exit-s", "1", "--log-level", "error"]
    ended = warm.run("consume", "dataset", "--rebuild", "slow-too", *options)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_other_filters_beside_the_live_table_and_then_in_its_place(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path)
    produce(job, range(40))
    assert job.finish(job.start())["kept"] == 20
    live = job.table()

    other = {**job.config, "filters": {"default": {"max_latency_ms": 10_000}}}
    other_path = tmp_path / "other.json"
    other_path.write_text(json.dumps(other))
    out = rebuild(other_path)
    assert f"table: {job.table_path}-slow-too; to switch to it, make that dataset.path" in out
    assert len(pl.scan_delta(f"{job.table_path}-slow-too").collect()) == 40
    assert job.table().equals(live)

    produce(job, range(30, 60))  # ten copies, twenty new ones
    job.config["filters"] = other["filters"]
    job.reconfigure(path=f"{job.table_path}-slow-too")
    counts = job.finish(job.start())
    assert (counts["consumed"], counts["duplicates"], counts["kept"]) == (30, 10, 20)
