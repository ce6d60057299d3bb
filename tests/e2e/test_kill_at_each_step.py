"""SIGKILL right before and right after each step of a commit: the table is the same as without."""

import json
import random
import signal

import pytest
from confluent_kafka import Producer

from headrace_consumers.dataset.steps import Step
from headrace_schemas import interaction_codec
from tests.support.dataset_job import DatasetJob, expected_of
from tests.support.interactions import interaction

CALLS = 4000


def produce(job, calls=CALLS, seed=1):
    """30% repeats, 10% failures, some slow, 1% rubbish."""
    draw = random.Random(seed)
    codec = interaction_codec()
    producer = Producer({"bootstrap.servers": job.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    for number in range(calls):
        success = draw.random() >= 0.1
        record = interaction(
            draw.randrange(int(calls * 0.7)),
            event_id=f"{number:032x}",
            success=success,
            output='{"answer":"because"}' if success else "{}",
            latency_ms=9000.0 if draw.random() < 0.02 else 100.0,
        )
        value = codec.encode(record)
        value = value[:-3] if draw.random() < 0.01 else value
        producer.produce(job.topic, value, record["dedup_key"].encode())
        producer.poll(0)
    assert producer.flush(30) == 0


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("edge", ["before", "after"])
def test_killed_there_and_started_again(kafka, tmp_path, edge, step):
    job = DatasetJob(kafka, tmp_path, max_batch_records=700)
    produce(job)
    killed = job.start(kill_at=f"{edge}:{step}:2")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, job.logs()
    counts = job.finish(job.start())
    assert counts["consumed"] < CALLS  # the first had committed something
    job.insist_on(expected_of(kafka, job.topic))


def test_undisturbed_the_counts_balance_and_the_offsets_are_reported(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path)
    produce(job)
    counts = job.finish(job.start())
    expected = expected_of(kafka, job.topic)
    job.insist_on(expected)
    assert counts["consumed"] == CALLS
    assert counts["kept"] == len(expected.rows)
    accounted = counts["kept"] + counts["duplicates"] + counts["outcomes"]
    assert accounted + sum(counts["rejected"].values()) + sum(counts["dead_letters"].values()) == CALLS
    again = job.finish(job.start())
    assert again["consumed"] == 0


def test_a_lost_seen_set_is_rebuilt_from_the_table(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path)
    produce(job, seed=1)
    job.finish(job.start())
    for file in (tmp_path / "state" / "member-0").glob("seen-*.duckdb"):
        file.unlink()
    produce(job, seed=2)  # the same questions in another order: mostly copies of what the table holds
    job.finish(job.start())
    job.insist_on(expected_of(kafka, job.topic))


def test_reset_kafka_offsets_change_nothing(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path)
    produce(job)
    job.finish(job.start())
    before = job.table()
    job.config["dataset"]["group_id"] += "-another"  # a group without offsets: the table has them
    job.config_path.write_text(json.dumps(job.config))
    assert job.finish(job.start())["consumed"] == 0
    assert job.table().equals(before)
