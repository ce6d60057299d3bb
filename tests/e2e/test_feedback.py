"""Feedback as deployed, on a real Kafka: each once whatever is killed, and on a copy it finds the row that was kept."""

import json
import random
import signal
import subprocess
import sys

import polars as pl
import pytest
from confluent_kafka import Producer

from headrace_consumers.dataset.steps import Step
from headrace_consumers.joins import copies_of, feedback_on
from headrace_schemas import feedback_codec, keys
from tests.support.dataset_job import DatasetJob
from tests.unit.consumers.feedback.records import feedback

GIVEN = 5000

SERVICE = """
import sys, dspy, headrace
from tests.e2e.instrumented_service import Answerer
headrace.configure(sys.argv[1])
program = headrace.instrument(Answerer(), name="answerer")
for number in range(40):
    with headrace.request(f"request-{number}"):
        program(question=f"question {number % 10}", refuse=False)
assert headrace.flush(60)
"""

CALLBACK = """
import sys, headrace
headrace.configure(sys.argv[1])
headrace.feedback("request-3", score=1.0, comment="right")
headrace.feedback("request-23", score=0.0, label="thumbs_down", correction={"answer": "42"}, module="answerer")
headrace.feedback("request-33", score=0.5, module="another")
headrace.feedback("request-99", score=0.5)
"""


def give(job, seed=1):
    """Feedback, 1% of it rubbish; return what each readable message is, by its id."""
    draw = random.Random(seed)
    codec = feedback_codec()
    producer = Producer({"bootstrap.servers": job.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    given = {}
    for number in range(GIVEN):
        record = feedback(
            feedback_id=f"{number:032x}", request_id=f"request-{draw.randrange(500)}", score=draw.random()
        )
        value = codec.encode(record)
        if draw.random() < 0.01:
            value = value[:-3]
        else:
            given[record["feedback_id"]] = (record["request_id"], record["score"])
        producer.produce(job.feedback_topic, value, keys.request_id_hash(record["request_id"]))
        producer.poll(0)
    assert producer.flush(30) == 0
    return given


def insist_on(job, given):
    rows = job.feedback().select("feedback_id", "request_id", "score").rows()
    assert len(rows) == len(given)
    assert {feedback_id: (request_id, score) for feedback_id, request_id, score in rows} == given
    unreadable = GIVEN - len(given)
    assert len(job.dead_letters()) == unreadable > 0


@pytest.mark.parametrize("step", [Step.DEAD_LETTERS, Step.FILES, Step.COMMIT, Step.OFFSETS])
@pytest.mark.parametrize("edge", ["before", "after"])
def test_killed_there_and_started_again(kafka, tmp_path, edge, step):
    job = DatasetJob(kafka, tmp_path, max_batch_records=400)
    given = give(job)
    killed = job.start(kill_at=f"{edge}:{step}:2", what="feedback")
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, job.logs()
    counts = job.finish(job.start(what="feedback"))
    assert 0 < counts["consumed"] < GIVEN  # the first had committed something
    insist_on(job, given)


def run(code, config_path):
    subprocess.run([sys.executable, "-c", code, str(config_path)], check=True, timeout=120)


def test_feedback_on_a_copy_finds_the_row_that_was_kept(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path, partitions=2)
    service_path = tmp_path / "service.json"
    service_path.write_text(json.dumps({**job.config, "telemetry": {"enabled": True, "sampling_rate_pct": 100}}))
    run(SERVICE, service_path)
    run(CALLBACK, service_path)
    consumers = [job.start(what="dataset"), job.start(what="feedback")]
    counts, told = [job.finish(consumer) for consumer in consumers]
    assert (counts["kept"], counts["duplicates"]) == (10, 30)
    assert told == {"consumed": 4, "kept": 4, "rejected": {}, "dead_letters": {}, "commits": told["commits"]}

    rows = pl.scan_delta(str(job.table_path))
    sightings = pl.scan_delta(f"{job.table_path}-sightings")
    assert copies_of(sightings).collect()["copies"].to_list() == [3] * 10
    (third,) = rows.filter(pl.col("input").str.contains("question 3")).collect().to_dicts()
    assert third["request_id"] == "request-3"
    found = feedback_on(rows, sightings, job.feedback().lazy()).sort("score").collect()
    assert found.select("dedup_key", "to_a_copy", "request_id", "score", "label", "comment", "correction").rows() == [
        (third["dedup_key"], True, "request-23", 0.0, "thumbs_down", None, '{"answer":"42"}'),
        (third["dedup_key"], False, "request-3", 1.0, None, "right", None),
    ]
