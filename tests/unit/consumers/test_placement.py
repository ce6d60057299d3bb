"""Misplaced keys: each becomes a dead letter in whatever batch it comes, and nothing of it a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config.consumers import DeadLetterLimits
from headrace_consumers.dataset.errors import CircuitOpenError, SourceError
from headrace_consumers.dataset.judging.breaker import Breaker
from headrace_consumers.dataset.judging.placement import misplaced
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.deadletters import REASONS
from headrace_schemas import keys
from tests.support.committing import CommitPath
from tests.support.interactions import interaction, message_of

PARTITIONS = 4


def owner(message):
    return keys.partition_of(message.key, PARTITIONS)


MESSAGES = [message_of(interaction(number), number) for number in range(60)]
AT_HOME = [message for message in MESSAGES if owner(message) == 0]
STRAYS = [message for message in MESSAGES if owner(message) != 0]
OUTCOME = message_of(interaction(capture_level="outcome", dedup_key="0" * 32), 60)
ODD = [OUTCOME, message_of(b"no record", 61), message_of(b"no record", 62, key=b"short")]


@given(st.lists(st.sampled_from([*MESSAGES, *ODD]), max_size=20))
def test_those_whose_key_is_put_elsewhere_are_found(messages):
    found = misplaced(Messages.of(messages), PARTITIONS)
    wrong = {at: owner(message) for at, message in enumerate(messages) if message in STRAYS}
    assert found.keys() == wrong.keys()
    for at, why in found.items():
        assert why.reason == "misplaced"
        assert why.reason in REASONS
        assert f"belongs in partition {wrong[at]}: " in why.detail
        assert "murmur2_random" in why.detail


@pytest.fixture
def path(tmp_path):
    path = CommitPath(tmp_path, partitions=PARTITIONS)
    yield path
    path.close()


def test_each_is_a_dead_letter_with_its_bytes_and_counted_and_no_row(path):
    tally = path.commit([*MESSAGES, OUTCOME])
    assert tally.balances
    assert (tally.kept, tally.outcomes, tally.dead_letters) == (len(AT_HOME), 1, {"misplaced": len(STRAYS)})
    assert sorted(path.rows()["offset"]) == [message.offset for message in AT_HOME]
    letters = [(letter["offset"], letter["key"], letter["value"]) for letter in path.dead_letters.letters]
    assert letters == [(message.offset, message.key, message.value) for message in STRAYS]


def test_where_partitions_were_added_nothing_is_written(tmp_path):
    def refuse():
        raise SourceError("it has 5 partitions")

    path = CommitPath(tmp_path, partitions=PARTITIONS, insist_on_topic=refuse)
    assert path.commit(AT_HOME[:1]).kept == 1  # nothing is asked while all are in their places
    with pytest.raises(SourceError, match="5 partitions"):
        path.commit(STRAYS)
    assert path.dead_letters.letters == []
    path.close()


def test_a_writer_with_another_partitioner_stops_the_consumer(tmp_path):
    limits = DeadLetterLimits(max_run_records=0, max_share=0.5, window_records=len(MESSAGES))
    path = CommitPath(tmp_path, partitions=PARTITIONS, breaker=Breaker(limits, "interactions"))
    with pytest.raises(CircuitOpenError, match=rf"\(misplaced {len(STRAYS)}\)"):
        path.commit(MESSAGES)
    assert path.dead_letters.letters == []
    path.close()
