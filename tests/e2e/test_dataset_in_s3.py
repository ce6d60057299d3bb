"""The dataset consumer on a real Kafka, its table in a real S3-compatible server: exactly once, whatever ends it."""

import contextlib
import itertools
import json
import signal
import uuid

import pytest

from headrace_consumers.cli import main
from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.steps import Step
from tests.e2e.test_erasure import CALLS, JANE, JOHN, erase
from tests.e2e.test_erasure import produce as produce_calls
from tests.e2e.test_kill_at_each_step import produce
from tests.support.dataset_job import DatasetJob, expected_of
from tests.support.s3_proxy import S3Proxy
from tests.support.waiting import wait_until


@contextlib.contextmanager
def stopped_at_last(*processes):
    """A test that fails leaves no consumer behind."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture
def job(kafka, s3, tmp_path):
    # A full batch is committed at once; what is left of the last one only after the 15 s of an object store.
    job = DatasetJob(kafka, tmp_path, max_batch_records=150)
    job.reconfigure(path=s3.uri(uuid.uuid4().hex), storage_options=s3.options())
    return job


def subjects(job):
    store = store_at(job.config["dataset"]["path"], job.config["dataset"]["storage_options"])
    return job.table()["subject_id"].to_list() if store.is_table() else []


def test_killed_at_each_step_that_writes_to_the_store(job):
    """At the others the store is as it is between two of these: see test_kill_at_each_step for all."""
    steps = (Step.SIGHTINGS, Step.FILES, Step.COMMIT)
    for number, (step, edge) in enumerate(itertools.product(steps, ("before", "after"))):
        produce(job, 400, seed=number)
        killed = job.start(kill_at=f"{edge}:{step}:1")
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL, job.logs()
    job.finish(job.start())
    job.insist_on(expected_of(job.kafka, job.topic))


def test_two_members_that_race(job):
    produce(job, 3000)
    members = [job.start(), job.start()]
    with stopped_at_last(*members):
        for member in members:
            job.finish(member)
    job.finish(job.start())
    job.insist_on(expected_of(job.kafka, job.topic))
    event_id = job.table()["event_id"][0]
    for question in (["maintain"], ["verify"], ["why", "-s", "extract_requirements"], ["trace", event_id]):
        assert main(["dataset", *question, "--config", str(job.config_path)]) == 0, question
    assert job.table().height == len(expected_of(job.kafka, job.topic).rows)


def test_while_the_store_is_away_the_batch_is_kept_and_tried_again(job, s3):
    with S3Proxy(s3.port) as proxy:
        job.reconfigure(storage_options=s3.options(proxy.port) | {"max_retries": "0", "retry_timeout": "1s"})
        produce(job, 400, seed=1)
        consumer = job.start(idle_exit_s=4.0)
        with stopped_at_last(consumer):
            wait_until(lambda: _said(job, "committed"), "a first commit", 60)
            proxy.away_from = ""
            produce(job, 400, seed=2)
            wait_until(lambda: _said(job, "commit failed: the batch is kept and tried again"), "a failure", 90)
            proxy.away_from = None
            job.finish(consumer)
    job.reconfigure(storage_options=s3.options())
    job.insist_on(expected_of(job.kafka, job.topic))


def test_a_store_without_conditional_put_is_refused_in_one_line(job, s3):
    with S3Proxy(s3.port, overwrites_in=s3.data) as proxy:
        job.reconfigure(storage_options=s3.options(proxy.port))
        assert "this store has no conditional put (If-None-Match)" in job.refusal(job.start())


def test_erased_beside_a_consumer_neither_a_replay_nor_a_table_built_anew_brings_the_person_back(job, tmp_path):
    running = job.start(idle_exit_s=None)
    with stopped_at_last(running):
        produce_calls(job)
        wait_until(lambda: len(subjects(job)) == CALLS, "all rows", 60)
        killed = erase(job, "--subject", "jane", "--apply", kill_at="after:take-out")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        done = erase(job, "--subject", "jane", "--apply", "--certificate", str(tmp_path / "c.json"))
        assert done.returncode == 0, done.stderr
        assert JANE not in subjects(job)
        produce_calls(job)  # the same once more
        running.send_signal(signal.SIGTERM)
        job.finish(running)
    job.finish(job.start())
    built = job.finish(job.start("--rebuild", "anew"))
    assert built["rejected"] == {"suppressed": 2 * CALLS // 3}
    live = subjects(job)
    job.reconfigure(path=f"{job.config['dataset']['path']}-anew")
    for held in (live, subjects(job)):
        assert (held.count(JANE), held.count(JOHN), len(held)) == (0, CALLS // 3, 2 * CALLS // 3)


def _said(job, event):
    lines = (job.folder / "consumer-1.log").read_text().splitlines()
    return any(json.loads(line)["event"] == event for line in lines if line.startswith("{"))
