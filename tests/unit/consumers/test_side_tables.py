"""Which tables beside the dataset a consumer opens, and so maintains."""

import threading

import pytest

from headrace.config import load
from headrace_consumers.dataset.intake import Control
from headrace_consumers.dataset.run import side_tables


@pytest.mark.parametrize(("before", "now", "opened"), [(True, False, 1), (False, False, 0), (False, True, 1)])
def test_sightings_that_are_switched_off_are_maintained_where_there_are_some(tmp_path, before, now, opened):
    def tables(sightings):
        config = load(None, {"dataset": {"path": str(tmp_path / "t"), "sightings": sightings}}, {})
        return side_tables(config, Control(stop=threading.Event()))

    if before:
        tables(sightings=True)[0].close()
    found = tables(sightings=now)
    assert [str(table.path) for table in found] == [f"{tmp_path}/t-sightings"] * opened
    assert (tmp_path / "t-sightings").exists() == bool(opened)
