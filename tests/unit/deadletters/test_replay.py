"""Replaying: the original as it was, a header, a mark only once it is acknowledged, and what Kafka refuses."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from headrace_consumers.deadletters import DeadLetterError
from headrace_consumers.deadletters.letters import REPLAYED_FROM, REPLAYED_TO, TOPIC_ID
from headrace_consumers.deadletters.replay import RefusedLetter, Replayer
from tests.unit.deadletters.test_summary import letter


class FakeMessage:
    def __init__(self, topic, offset):
        self.topic, self.partition, self.offset = (lambda: topic), (lambda: 4), (lambda: offset)


class FakeProducer:
    """Acknowledges what is produced; its queue takes `room`, and a batch goes with each `poll`.

    Args:
        refused: a batch that holds one of these keys is refused as a whole.
        never_taken: keys that `produce` itself refuses.
        silent: keys that get this error; None: no answer.
    """

    def __init__(self, refused=(), room=10_000, never_taken=(), silent=None):
        self.refused, self.room, self.never_taken = set(refused), room, set(never_taken)
        self.silent = silent or {}
        self.written, self._waiting = [], []

    def produce(self, **message):
        if message["key"] in self.never_taken:
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "Local: message too large"))
        if len(self._waiting) >= self.room:
            raise BufferError
        self._waiting.append(message)

    def poll(self, timeout_s):
        del timeout_s
        waiting, self._waiting = self._waiting, []
        is_refused = any(message["key"] in self.refused for message in waiting)
        for message in waiting:
            on_delivery = message.pop("on_delivery")
            if message["key"] in self.silent:
                if (code := self.silent[message["key"]]) is not None:
                    on_delivery(KafkaError(code), None)
            elif is_refused:
                on_delivery(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "message too large"), None)
            else:
                self.written.append(message)
                on_delivery(None, FakeMessage(message["topic"], len(self.written) - 1))

    flush = poll

    def keys(self, topic):
        return [message["key"] for message in self.written if message["topic"] == topic]


def replay(producer, letters):
    return sum(Replayer(producer, "letters").replay(letters, {each.identity for each in letters}))


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


def test_a_refused_letter_stops_nothing_and_is_named():
    producer = FakeProducer(refused={b"large"})
    replayer = Replayer(producer, "letters")
    letters = [letter(offset, key=b"large" if offset == 3 else b"%d" % offset) for offset in range(1_100)]
    assert sum(replayer.replay(letters, {each.identity for each in letters})) == 1_099
    assert replayer.refused == [RefusedLetter("t", 0, 3, "message too large")]
    # Each of the others once, though the broker refuses batches as a whole; each is marked, and this one is not.
    assert sorted(producer.keys("t")) == sorted(b"%d" % offset for offset in range(1_100) if offset != 3)
    assert sorted(producer.keys("letters")) == sorted(b"t/0/%d" % offset for offset in range(1_100) if offset != 3)


def test_what_the_client_itself_refuses_is_likewise():
    producer = FakeProducer(never_taken={b"large"})
    replayer = Replayer(producer, "letters")
    letters = [letter(1), letter(2, key=b"large"), letter(3)]
    assert list(replayer.replay(letters, {each.identity for each in letters})) == [2]
    assert replayer.refused == [RefusedLetter("t", 0, 2, "Local: message too large")]
    assert producer.keys("letters") == [b"t/0/1", b"t/0/3"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (None, "no answer within 30 s"),
        (KafkaError._MSG_TIMED_OUT, "Local: Message timed out"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, "Broker: Cluster authorization failed"),
    ],
)
def test_a_broker_that_takes_nothing_more_is_one_line_and_what_it_took_is_marked(code, why):
    producer = FakeProducer(silent={b"late": code})
    letters = [letter(1), letter(2, key=b"late"), *(letter(offset) for offset in range(3, 600))]
    with pytest.raises(DeadLetterError, match=rf"^t: 1 of 500 replayed messages were not acknowledged \({why}\); what"):
        replay(producer, letters)
    assert len(producer.keys("letters")) == 499
    assert len(producer.keys("t")) == 499  # what follows would wait in vain, bundle by bundle


def test_a_topic_that_takes_nothing_from_this_user_stops_no_other_and_is_asked_once():
    other = [letter(offset, topic="other", key=b"other") for offset in range(600)]
    producer = FakeProducer(silent={b"other": KafkaError.TOPIC_AUTHORIZATION_FAILED})
    letters = [each for pair in zip(other, map(letter, range(600)), strict=True) for each in pair]
    sent, produce = [], producer.produce
    producer.produce = lambda **message: sent.append(message["topic"]) or produce(**message)
    replayer = Replayer(producer, "letters")
    assert sum(replayer.replay(letters, {each.identity for each in letters})) == 600
    assert len(producer.keys("t")) == len(producer.keys("letters")) == 600
    assert [each.offset for each in replayer.refused] == list(range(600))
    assert {each.topic for each in replayer.refused} == {"other"}
    assert replayer.refused[-1].reason.startswith("Broker: Topic authorization failed; this user lacks a right")
    assert sent.count("other") == 250  # what was in the first bundle


def test_a_broker_that_goes_away_after_a_refused_batch_is_waited_for_once():
    producer = FakeProducer(refused={b"large"})
    letters = [letter(offset, key=b"large" if offset == 3 else b"%d" % offset) for offset in range(500)]
    waited, flush = [], producer.flush

    def flush_and_go_away_later(timeout_s):
        waited.append(timeout_s)
        if len(waited) == 4:  # the batch, and the first two alone
            producer.silent = dict.fromkeys([each.letter["key"] for each in letters])
        flush(timeout_s)

    producer.flush = flush_and_go_away_later
    replayer = Replayer(producer, "letters")
    with pytest.raises(DeadLetterError, match=r"^t: 498 of 500 replayed messages were not acknowledged \(no answer"):
        list(replayer.replay(letters, {each.identity for each in letters}))
    assert len(waited) == 4 + 1  # the marks
    assert (replayer.replayed, replayer.refused) == (2, [])
    assert producer.keys("letters") == [b"t/0/0", b"t/0/1"]


def test_marks_that_cannot_be_written_end_the_run():
    producer = FakeProducer(refused={b"t/0/1"})
    with pytest.raises(
        DeadLetterError, match=r"^letters: 1 of 2 messages were replayed and could not be marked \(message"
    ):
        replay(producer, [letter(1), letter(2)])
