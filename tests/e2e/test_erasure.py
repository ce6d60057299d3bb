"""Erased while a consumer runs, and killed in the midst of it: gone, and a replay does not bring the person back."""

import json
import os
import signal

import pytest
from confluent_kafka import Producer

from headrace.redaction import subject_pseudonym
from headrace_schemas import interaction_codec
from tests.support import warm
from tests.support.dataset_job import DatasetJob
from tests.support.interactions import interaction
from tests.support.waiting import wait_until

JANE, JOHN = (subject_pseudonym(name) for name in ("jane", "john"))
CALLS = 300


def produce(job, *, first=0, calls=CALLS):
    """Of three calls one is Jane's, one John's, one nobody's."""
    codec = interaction_codec()
    producer = Producer({"bootstrap.servers": job.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    for number in range(first, first + calls):
        record = interaction(number, subject_id=(JANE, JOHN, None)[number % 3])
        producer.produce(job.topic, codec.encode(record), record["dedup_key"].encode())
    assert producer.flush(30) == 0


def rows(job):
    has_log = any((job.table_path / "_delta_log").glob("*.json"))  # the folder is there before the table is
    return job.table()["subject_id"].to_list() if has_log else []


def erase(job, *arguments, kill_at=None):
    environment = {**os.environ, **({"HEADRACE_TEST_KILL_AT": kill_at} if kill_at else {})}
    return warm.run("erase", "--config", str(job.config_path), *arguments, env=environment)


@pytest.mark.parametrize("point", ["after:suppress", "after:take-out", "before:certificate"])
def test_erased_beside_a_consumer_a_replay_does_not_bring_the_person_back(kafka, tmp_path, point):
    job = DatasetJob(kafka, tmp_path)
    running = job.start(idle_exit_s=None)
    produce(job)
    wait_until(lambda: len(rows(job)) == CALLS, "all rows", timeout_s=60)
    killed = erase(job, "--subject", "jane", "--apply", "--certificate", str(tmp_path / "1.json"), kill_at=point)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "1.json").exists()
    done = erase(job, "--subject", "jane", "--apply", "--certificate", str(tmp_path / "2.json"), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert sum(told["tables"][0]["rows"].values()) == CALLS // 3
    assert all(hold["gone_by"] for hold in told["kafka"] if hold["topic"] in {job.topic, job.dead_letter_topic})
    produce(job)  # a replay: the same calls once more
    produce(job, first=CALLS, calls=30)  # and new ones, of Jane too
    wait_until(lambda: len(rows(job)) >= CALLS * 2 // 3 + 20, "the new rows", timeout_s=60)
    running.send_signal(signal.SIGTERM)
    counts = job.finish(running)
    assert counts["rejected"]["suppressed"] >= 10
    for file in (tmp_path / "state" / "member-0").glob("seen-*.duckdb"):
        file.unlink()  # made anew from the table, it does not know Jane's keys
    produce(job)
    again = job.finish(job.start())
    assert (again["kept"], again["rejected"]) == (0, {"suppressed": CALLS // 3})
    assert JANE not in rows(job)
    assert rows(job).count(JOHN) == rows(job).count(None) == (CALLS + 30) // 3
    assert not [file for file in job.table_path.rglob("*.parquet") if JANE.encode() in file.read_bytes()]
    verified = warm.run("dataset", "verify", "--config", str(job.config_path))
    assert verified.returncode == 0, verified.stdout
    modes = {
        path: path.stat().st_mode & 0o077 for path in (*job.table_path.rglob("*"), *(tmp_path / "state").rglob("*"))
    }
    assert not [path for path, open_to_others in modes.items() if open_to_others]
