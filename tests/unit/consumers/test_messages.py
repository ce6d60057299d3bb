"""Messages as columns, and what they are made from."""

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, TIMESTAMP_NOT_AVAILABLE

from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import NO_TIME_MS, Messages
from headrace_consumers.dataset.kafka.pace import POLL_BYTES, Pace

DRAWN = [
    Message(0, 3, b"key", b"value", 17),
    Message(0, 4, None, b"v", None, (("name", b"x"),)),
    Message(2, 0, b"k", None, 0),
]


class Polled:
    """What confluent-kafka returns."""

    def __init__(self, message):
        self._message, self._value = message, message.value

    def partition(self):
        return self._message.partition

    def offset(self):
        return self._message.offset

    def key(self):
        return self._message.key

    def value(self):
        return self._value

    def set_value(self, value):
        assert value is None
        self._value = None

    def headers(self):
        return list(self._message.headers) or None

    def timestamp(self):
        time_ms = self._message.append_time_ms
        return (TIMESTAMP_NOT_AVAILABLE, 0) if time_ms is None else (TIMESTAMP_LOG_APPEND_TIME, time_ms)


@pytest.mark.parametrize("messages", [Messages.of(DRAWN), Messages.polled([Polled(message) for message in DRAWN])])
def test_columns_and_messages_say_the_same(messages):
    assert list(messages) == DRAWN
    assert (messages.keys, messages.values) == ([b"key", None, b"k"], [b"value", b"v", None])
    assert messages.partitions.tolist() == [0, 0, 2]
    assert messages.offsets.tolist() == [3, 4, 0]
    assert messages.append_times_ms.tolist() == [17, NO_TIME_MS, 0]
    assert messages.sizes_bytes.tolist() == [8, 1, 1]
    assert messages.next_offsets == {0: 5, 2: 1}
    assert list(messages[1:]) == DRAWN[1:]


@pytest.mark.parametrize("made", [Messages.of, lambda drawn: Messages.polled([Polled(message) for message in drawn])])
def test_of_a_header_that_is_there_twice_the_last_counts(made):
    headers = [(), (("a", b"1"),), (("b", b"2"),), (("a", b"1"), ("b", b"2"), ("a", None)), (("b", b""), ("a", b"3"))]
    messages = made([Message(0, n, None, b"", 0, each) for n, each in enumerate(headers)])
    assert messages.header("a") == [None, b"1", None, None, b"3"]
    assert messages.header("b") == [None, None, b"2", b"2", b""]


def test_put_together_they_are_one_sequence():
    parts = [Messages.of(DRAWN[:1]), Messages.of([]), Messages.of(DRAWN[1:])]
    assert list(Messages.together(parts)) == DRAWN
    assert [list(run) for run in Messages.together(parts).runs()] == [DRAWN[:2], DRAWN[2:]]


def test_none_at_all():
    for none in (Messages.of([]), Messages.polled([]), Messages.together([])):
        assert (list(none), list(none.runs()), none.next_offsets, len(none.offsets)) == ([], [], {}, 0)


def test_a_poll_asks_for_fewer_records_where_they_are_large():
    pace = Pace()
    first = pace.records
    pace.note(Messages.of([]))
    assert pace.records == first
    pace.note(Messages.of([Message(0, 0, None, bytes(1_000_000), 0)]))
    assert pace.records == POLL_BYTES // 1_000_000
    pace.note(Messages.of([Message(0, 0, None, bytes(100), 0)]))
    assert pace.records == 2_000
    pace.note(Messages.of([Message(0, 0, None, bytes(2 * POLL_BYTES), 0)]))
    assert pace.records == 1
