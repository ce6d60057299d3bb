"""Where a rebuild goes."""

import pytest

from headrace.config import load
from headrace.errors import UsageError
from headrace_consumers.cli.rebuilding import rebuilding


def test_a_rebuild_shares_nothing_with_the_live_dataset():
    live = load(None, {"dataset": {"path": "data/t/", "health_port": 8080, "group_instance_id": "a"}}, {})
    other = rebuilding(live, "v2")
    assert other.dataset.path == "data/t-v2"
    assert other.dataset.state_path == "state-v2"
    assert other.dataset.group_id == "headrace-dataset-v2"
    assert other.dataset.group_instance_id == "a-v2"
    assert other.dataset.health_port is None
    assert other.filters == live.filters
    assert rebuilding(load(None, {}, {}), "v2").dataset.group_instance_id is None


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "sightings", "feedback"])
def test_a_name_unfit_for_a_path_or_taken_is_refused(name):
    with pytest.raises(UsageError, match="--rebuild"):
        rebuilding(load(None, {}, {}), name)
