"""The main job: instrumented calls on one side, three consumers on the other, one of them killed: each example once."""

import json
import signal
import subprocess
import sys

from tests.support.dataset_job import DatasetJob, expected_of
from tests.support.waiting import wait_until

CALLS = 8_000


def test_each_example_is_there_exactly_once_though_a_consumer_is_killed(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path, partitions=6, max_batch_records=500)
    service_config = {
        **job.config,
        # All calls come at once: the queue holds what can be finished in two fifths of the time for exit.
        "telemetry": {"enabled": True, "sampling_rate_pct": 100, "queue_max_records": CALLS, "exit_timeout_s": 120},
        # `refuse` is not what the question is: a failed call and its repetition are copies of one example.
        "dedup": {"signatures": {"Answer": {"fields": ["question"]}}},
    }
    service_path = tmp_path / "service.json"
    service_path.write_text(json.dumps(service_config))

    consumers = [job.start(idle_exit_s=None) for _ in range(3)]
    service = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.instrumented_service", str(service_path), str(CALLS)],
        stdout=subprocess.PIPE,
    )
    wait_until(lambda: _rows(job) > 1000, "the first rows", timeout_s=90)
    consumers[1].send_signal(signal.SIGKILL)
    consumers[1].communicate(timeout=60)
    assert consumers[1].returncode == -signal.SIGKILL
    consumers[1] = job.start(idle_exit_s=None)
    output, _ = service.communicate(timeout=120)
    told = json.loads(output)
    stats = told["stats"]
    assert told["flushed"]
    assert stats["sampled"] == stats["delivered"] == CALLS
    assert (stats["in_flight"], stats["spooled"], stats["dropped"]) == (0, 0, {})

    expected = expected_of(kafka, job.topic)
    wait_until(lambda: _rows(job) >= len(expected.rows), "all rows", timeout_s=90)
    for consumer in consumers:
        consumer.send_signal(signal.SIGTERM)
    for consumer in consumers:
        job.finish(consumer)
    assert job.finish(job.start())["consumed"] == 0  # nothing was left behind

    job.insist_on(expected)
    # The program's own account, which knows nothing of Kafka: every question that was answered at least once.
    questions = sorted(json.loads(text)["question"] for text in job.table()["input"])
    assert questions == told["answered"]
    assert len(told["answered"]) > CALLS * 0.6


def _rows(job):
    has_log = any((job.table_path / "_delta_log").glob("*.json"))
    return job.table().height if has_log else 0
