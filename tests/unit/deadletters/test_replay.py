"""Replaying: the original as it was, a header, and a mark only once it is acknowledged."""

import pytest

from headrace_consumers.deadletters import DeadLetterError
from headrace_consumers.deadletters.letters import REPLAYED_FROM, REPLAYED_TO, TOPIC_ID
from headrace_consumers.deadletters.replay import Replayer
from tests.unit.deadletters.test_summary import letter


class FakeMessage:
    def __init__(self, topic, offset):
        self.topic, self.partition, self.offset = (lambda: topic), (lambda: 4), (lambda: offset)


class Refusal:
    def str(self):
        return "message too large"


class FakeProducer:
    """Acknowledges what is produced, but refuses the keys in `refused`; its queue takes `room`."""

    def __init__(self, refused=(), room=10_000):
        self.refused, self.room, self.written, self._waiting = refused, room, [], []

    def produce(self, **message):
        if len(self._waiting) >= self.room:
            raise BufferError
        self._waiting.append(message)

    def poll(self, timeout_s):
        del timeout_s
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            on_delivery = message.pop("on_delivery")
            if message["key"] in self.refused:
                on_delivery(Refusal(), None)
            else:
                self.written.append(message)
                on_delivery(None, FakeMessage(message["topic"], len(self.written) - 1))

    flush = poll


def replay(producer, letters):
    return sum(Replayer(producer, "letters", timeout_s=0.05).replay(letters, {each.identity for each in letters}))


def test_a_letter_goes_back_as_it_was_and_leaves_a_mark():
    producer = FakeProducer()
    assert replay(producer, [letter(7, headers=[{"name": "h", "value": None}, {"name": "h", "value": b"2"}])]) == 1
    original, mark = producer.written
    assert original == {
        "topic": "t", "key": b"k", "value": b"\x00original",
        "headers": [("h", None), ("h", b"2"), (REPLAYED_FROM, b"t/0/7")],
    }  # fmt: skip
    assert mark == {
        "topic": "letters", "key": b"t/0/7", "value": None, "headers": [(REPLAYED_TO, b"t/4/0"), (TOPIC_ID, b"id")],
    }  # fmt: skip


def test_a_second_replay_does_not_pile_up_headers():
    producer = FakeProducer()
    replay(producer, [letter(9, headers=[{"name": REPLAYED_FROM, "value": b"t/0/7"}])])
    assert producer.written[0]["headers"] == [(REPLAYED_FROM, b"t/0/9")]


def test_a_message_without_a_key_goes_to_its_partition():
    producer = FakeProducer()
    replay(producer, [letter(7, partition=3, key=None)])
    assert producer.written[0]["partition"] == 3


def test_copies_are_replayed_once_and_many_in_bundles():
    producer = FakeProducer(room=7)
    letters = [letter(offset) for offset in range(1_100)]
    assert replay(producer, letters + letters) == 1_100
    assert len({message["key"] for message in producer.written if message["topic"] == "letters"}) == 1_100


def test_what_is_not_acknowledged_is_not_marked_and_is_one_line():
    producer = FakeProducer(refused={b"bad"})
    with pytest.raises(DeadLetterError, match=r"1 of 2 replayed messages were not acknowledged \(message too large\)"):
        replay(producer, [letter(1), letter(2, key=b"bad")])
    assert [message["topic"] for message in producer.written] == ["t"]
