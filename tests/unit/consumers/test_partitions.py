"""What a member owns and buffers."""

from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.partitions import OwnedPartitions


def messages(*offsets, partition=0):
    return Messages.of([Message(partition, offset, b"key", b"value", 0) for offset in offsets])


def owned_at(position, *, ready=True):
    owned = OwnedPartitions()
    owned.assign(0, position)
    if ready:
        owned.ready([0])
    return owned


def test_records_below_the_table_s_position_are_skipped():
    owned = owned_at(5)
    assert [owned.add(messages(offset)) for offset in (3, 4, 5, 5, 7)] == [0, 0, 1, 0, 1]
    assert [m.offset for m in owned.batch().messages] == [5, 7]


def test_records_of_partitions_that_are_not_ours_are_skipped():
    assert owned_at(None).add(messages(0, partition=9)) == 0


def test_a_batch_knows_the_positions_that_it_was_read_from():
    owned = owned_at(5)
    owned.assign(1, None)
    owned.ready([1])
    owned.add(messages(5))
    owned.add(messages(0, partition=1))
    assert owned.batch().starts == {0: 5, 1: None}


def test_a_committed_batch_moves_the_start_on():
    owned = owned_at(None)
    owned.add(messages(3))
    owned.committed(owned.batch())
    owned.add(messages(4))
    assert owned.batch().starts == {0: 4}
    assert (owned.buffered_records, owned.buffered_bytes) == (1, 8)


def test_dropping_discards_the_buffer():
    owned = owned_at(None)
    owned.add(messages(0))
    owned.drop([0])
    assert (len(owned.batch().messages), owned.buffered_records, owned.buffered_bytes, len(owned)) == (0, 0, 0, 0)


def test_a_partition_is_not_committed_before_its_seen_set_is_ready():
    owned = owned_at(None, ready=False)
    owned.add(messages(0))
    assert list(owned.not_ready()) == [0]
    assert len(owned.batch().messages) == 0
    owned.ready([0])
    assert len(owned.batch().messages) == 1


def test_assigned_again_it_starts_from_the_table():
    owned = owned_at(0)
    owned.add(messages(0))
    owned.assign(0, 8)
    assert len(owned.batch().messages) == 0
    assert owned.add(messages(7)) == 0


def test_a_poll_of_several_partitions_is_taken_apart():
    owned = owned_at(2)
    owned.assign(1, None)
    owned.ready([1])
    polled = Messages.together([messages(1, 2), messages(0, 1, partition=1), messages(3), messages(0, partition=7)])
    assert owned.add(polled) == 4
    batch = owned.batch().messages
    assert [(m.partition, m.offset) for m in batch] == [(0, 2), (0, 3), (1, 0), (1, 1)]
    assert (owned.buffered_records, owned.buffered_bytes) == (4, 32)


def test_what_a_poll_brings_twice_is_taken_once():
    owned = owned_at(0)
    assert owned.add(messages(0, 1, 0, 1, 2)) == 3
    assert [m.offset for m in owned.batch().messages] == [0, 1, 2]
