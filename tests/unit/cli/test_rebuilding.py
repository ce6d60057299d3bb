"""Where a rebuild goes."""

import pytest

from headrace.config import load
from headrace.errors import ConfigError, UsageError
from headrace_consumers.cli.rebuilding import rebuilding, switch_from, switch_lines


def test_a_rebuild_shares_nothing_with_the_live_dataset():
    live = load(None, {"dataset": {"path": "data/t/", "health_port": 8080, "group_instance_id": "a"}}, {})
    other = rebuilding(live, "v2")
    assert other.dataset.path == "data/t-v2"
    assert other.dataset.state_path == "state-v2"
    assert other.dataset.group_id == "headrace-dataset-v2"
    assert other.dataset.group_instance_id == "a-v2"
    assert other.dataset.health_port is None
    assert other.dataset.feedback_path == "data/t-feedback"  # but for feedback, which is not built anew
    assert other.filters == live.filters
    assert rebuilding(load(None, {}, {}), "v2").dataset.group_instance_id is None


def test_what_to_set_is_said_and_what_becomes_of_the_old_tables():
    live = load(None, {"dataset": {"path": "data/t"}}, {})
    anew = rebuilding(live, "v2")
    assert switch_from(live, anew) == {
        "table": "data/t-v2",
        "settings": {"dataset.path": "data/t-v2", "dataset.feedback_path": "data/t-feedback"},
        "then_delete": ["data/t", "data/t-sightings"],
        "until_then_erase_from": ["data/t"],
    }
    lines = switch_lines(live, anew)
    assert lines[0] == "table: data/t-v2"
    assert [line.split() for line in lines[2:4]] == [
        ["dataset.path", "data/t-v2"],
        ["dataset.feedback_path", "data/t-feedback"],
    ]
    assert lines[4].startswith("then delete data/t and data/t-sightings; ")
    assert lines[5] == "  headrace erase ... --table data/t"


def test_a_second_rebuild_leaves_feedback_where_it_is_too():
    switched = load(None, {"dataset": {"path": "data/t-v2", "feedback_path": "data/t-feedback/"}}, {})
    assert rebuilding(switched, "v3").dataset.feedback_path == "data/t-feedback"


def test_the_place_of_feedback_is_no_place_of_a_rebuild():
    live = load(None, {"dataset": {"path": "data/t", "feedback_path": "data/t-said"}}, {})
    with pytest.raises(UsageError, match=r"--rebuild said: data/t-said is dataset\.feedback_path"):
        rebuilding(live, "said")


@pytest.mark.parametrize("path", ["data/t", "data/t/", "data/t-sightings"])
def test_feedback_cannot_be_where_another_table_is(path):
    with pytest.raises(ConfigError, match=r"dataset\.feedback_path: found .*another table of the dataset"):
        load(None, {"dataset": {"path": "data/t", "feedback_path": path}}, {})


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "sightings", "feedback"])
def test_a_name_unfit_for_a_path_or_taken_is_refused(name):
    with pytest.raises(UsageError, match="--rebuild"):
        rebuilding(load(None, {}, {}), name)
