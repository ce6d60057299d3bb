"""What the feedback consumer has of its own: table, group and port; and what a refusal of its topic names."""

from pathlib import Path

import pytest

from headrace.config import load
from headrace_consumers.dataset.errors import SourceError
from headrace_consumers.dataset.feedback.run import configured
from headrace_consumers.dataset.kafka.identity import insist_on_ends, insist_on_partitions
from headrace_consumers.dataset.kafka.source import Source

FOUND = Source("feedback.v1", "id", 3, "feedback")


def test_it_shares_table_group_and_port_with_no_other_consumer():
    dataset = {"path": "data/t/", "group_id": "g", "health_port": 8080, "feedback_health_port": 8081}
    own = configured(load(None, {"dataset": dataset}, {})).dataset
    assert (own.path, own.group_id, own.health_port) == ("data/t-feedback", "g-feedback", 8081)
    assert configured(load(None, {"dataset": {"health_port": 8080}}, {})).dataset.health_port is None
    kept = {"path": "data/t-v2", "feedback_path": "data/t-feedback/"}
    assert configured(load(None, {"dataset": kept}, {})).dataset.path == "data/t-feedback"


def test_refusals_name_the_setting_of_its_topic():
    with pytest.raises(SourceError, match=r"set kafka\.topics\.feedback to it") as raised:
        insist_on_partitions(FOUND, 2, Path("t"))
    assert "copies" not in str(raised.value)
    with pytest.raises(SourceError, match=r"kafka\.topics\.feedback"):
        insist_on_ends(FOUND, {0: 5}, {0: 3}, Path("t"))
