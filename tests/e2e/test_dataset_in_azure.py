"""The dataset consumer on a real Kafka, its table in Azurite: exactly once, killed around the commit."""

import signal
import uuid

import polars as pl
import pytest

from headrace_consumers.dataset.delta.store_at import store_at
from headrace_consumers.dataset.steps import Step
from tests.e2e.test_kill_at_each_step import produce
from tests.integration.test_azure_store import CONTAINER, azure
from tests.support.dataset_job import DatasetJob, expected_of

__all__ = ["azure"]
pytestmark = pytest.mark.timeout(900)  # npm may have to install it


class AzureJob(DatasetJob):
    """Read through delta-rs: polars' own reader has other options."""

    def _scan(self, suffix=""):
        dataset = self.config["dataset"]
        handle = store_at(f"{dataset['path']}{suffix}", dataset["storage_options"]).handle()
        return pl.from_arrow(handle.to_pyarrow_table()).lazy()


def test_killed_around_the_commit(kafka, azure, tmp_path):  # the fixture
    job = AzureJob(kafka, tmp_path, max_batch_records=150)
    job.reconfigure(path=f"az://{CONTAINER}/{uuid.uuid4().hex}", storage_options=azure.options())
    for number, point in enumerate(
        f"{edge}:{step}" for step in (Step.FILES, Step.COMMIT) for edge in ("before", "after")
    ):
        produce(job, 400, seed=number)
        killed = job.start(kill_at=f"{point}:1")
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL, job.logs()
    job.finish(job.start())
    job.insist_on(expected_of(job.kafka, job.topic))
