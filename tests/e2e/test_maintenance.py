"""Maintenance in a running consumer, killed in the midst of it: few files, and the table that the records owe."""

import signal

import pytest
from deltalake import DeltaTable

from tests.e2e.test_kill_at_each_step import produce
from tests.support.dataset_job import DatasetJob, expected_of
from tests.support.waiting import wait_until

WAVES = 14


def files(job):
    return len(DeltaTable(str(job.table_path)).file_uris()) if DeltaTable.is_deltatable(str(job.table_path)) else 0


@pytest.mark.parametrize("point", ["after:merge", "after:replace"])
def test_killed_while_it_merges(kafka, tmp_path, point):
    job = DatasetJob(kafka, tmp_path, commit_interval_s=0.1, maintenance={"enabled": False})
    first = job.start(idle_exit_s=None)
    for wave in range(WAVES):
        produce(job, calls=40 * (wave + 1), seed=wave)
        wait_until(lambda least=wave + 1: files(job) >= least, "a commit", timeout_s=60)
    first.send_signal(signal.SIGTERM)
    job.finish(first)
    before = files(job)
    job.reconfigure(maintenance={})
    killed = job.start(kill_at=point, idle_exit_s=None)
    assert killed.wait(240) == -signal.SIGKILL, job.logs()
    killed.communicate()
    produce(job, seed=WAVES)
    last = job.start(idle_exit_s=None)
    wait_until(lambda: files(job) < before - 5, "few files", timeout_s=240)
    last.send_signal(signal.SIGTERM)
    job.finish(last)
    job.finish(job.start())
    job.insist_on(expected_of(kafka, job.topic))
