"""Poison on the real commit path: to the dead letters with its circumstances and bytes, and the stream goes on."""

import pytest

from headrace.config.consumers import DeadLetterLimits
from headrace_consumers.dataset.errors import CircuitOpenError
from headrace_consumers.dataset.judging.breaker import Breaker
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.deadletters import REASONS
from tests.support.committing import SOURCE, CommitPath
from tests.support.interactions import NOW_MS, interaction, message_of
from tests.support.poison import POISON, ROW


@pytest.fixture
def path(tmp_path):
    path = CommitPath(tmp_path)
    yield path
    path.close()


def message(poison, offset):
    return Message(0, offset, poison.key, poison.value, NOW_MS, (("origin", b"\xff"), ("empty", None)))


@pytest.mark.parametrize("poison", POISON, ids=lambda poison: poison.name)
def test_one_poisoned_message_among_good_ones(path, poison):
    tally = path.commit(
        [message_of(interaction("before"), 10), message(poison, 11), message_of(interaction("after"), 12)]
    )
    assert tally.balances
    offsets = path.rows()["offset"].sort().to_list()
    if poison.becomes == ROW:
        assert offsets == [10, 11, 12]
        assert path.dead_letters.letters == []
        return
    assert offsets == [10, 12]
    (letter,) = path.dead_letters.letters
    assert (letter["topic"], letter["topic_id"], letter["partition"], letter["offset"]) == (
        SOURCE.topic, SOURCE.topic_id, 0, 11,
    )  # fmt: skip
    assert letter["reason"] == poison.becomes
    assert letter["reason"] in REASONS
    assert (letter["key"], letter["value"], letter["append_time_ms"]) == (poison.key, poison.value, NOW_MS)
    assert letter["headers"] == [{"name": "origin", "value": b"\xff"}, {"name": "empty", "value": None}]
    assert "\n" not in letter["detail"]
    assert len(letter["detail"]) < 200


def test_all_poison_at_once_and_then_the_stream_goes_on(path):
    tally = path.commit([message(poison, offset) for offset, poison in enumerate(POISON)])
    assert tally.balances
    assert tally.dead_letters.total() == sum(poison.becomes != ROW for poison in POISON)
    assert path.commit([message_of(interaction("after"), 1_000)]).kept == 1


def test_when_all_is_unreadable_it_stops_before_anything_is_written(tmp_path):
    path = CommitPath(tmp_path, breaker=Breaker(DeadLetterLimits(max_run_records=100), "interactions"))
    path.commit([message_of(b"rubbish", offset, key=b"k") for offset in range(60)])
    with pytest.raises(CircuitOpenError, match="interactions: 120 of the last 120 records"):
        path.commit([message_of(b"rubbish", offset, key=b"k") for offset in range(60, 120)])
    assert path.table.position("topic-id/0") == 60
    assert [letter["offset"] for letter in path.dead_letters.letters] == list(range(60))
    assert path.commit([message_of(interaction("good"), offset) for offset in range(60, 61)]).kept == 1
    path.close()
