"""Dead letters: the batch goes on only when the broker has all of them."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from headrace_consumers.deadletters import DeadLetterError, KafkaDeadLetterWriter
from headrace_schemas import DeadLetter, dead_letter_codec


def letter(offset):
    return DeadLetter(
        topic="t", topic_id="id", partition=3, offset=offset, append_time_ms=None, reason="undecodable",
        detail="", key=None, value=b"\x00original", headers=[{"name": "h", "value": None}], consumer="",
    )  # fmt: skip


class Refusal:
    def str(self):
        return "message too large"


class FakeProducer:
    """Acknowledges, refuses or forgets each message; its queue takes `room` before it is full."""

    def __init__(self, answer, room=10_000):
        self.answer, self.room, self.sent, self._waiting = answer, room, [], []

    def produce(self, topic, value, key, on_delivery):
        if len(self._waiting) >= self.room:
            raise BufferError
        self.sent.append((topic, key, value))
        self._waiting.append(on_delivery)

    def poll(self, timeout_s):
        del timeout_s
        waiting, self._waiting = self._waiting, []
        for on_delivery in waiting:
            if self.answer != "silence":
                on_delivery(None if self.answer == "ok" else Refusal(), None)

    flush = poll


def test_the_key_says_where_it_came_from_and_the_value_holds_the_original():
    producer = FakeProducer("ok")
    KafkaDeadLetterWriter(lambda: producer, "dead").write([letter(7)])
    ((topic, key, value),) = producer.sent
    assert (topic, key) == ("dead", b"t/3/7")
    assert dead_letter_codec().decode(value) == letter(7)


@pytest.mark.parametrize(("answer", "why"), [("refused", "message too large"), ("silence", "no answer within 0.05 s")])
def test_what_is_not_acknowledged_is_one_line(answer, why):
    writer = KafkaDeadLetterWriter(lambda: FakeProducer(answer), "dead", timeout_s=0.05)
    with pytest.raises(DeadLetterError, match=why) as raised:
        writer.write([letter(1), letter(2)])
    assert "2 of 2" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_one_that_the_client_will_not_send_is_one_line():
    class Limited(FakeProducer):
        def produce(self, *_, **__):
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))

    with pytest.raises(
        DeadLetterError, match=r"dead: the dead letter of t/3/1, \d+ bytes, cannot be sent .*nothing is lost"
    ):
        KafkaDeadLetterWriter(lambda: Limited("ok"), "dead").write([letter(1)])


def test_a_full_queue_is_waited_for():
    producer = FakeProducer("ok", room=2)
    KafkaDeadLetterWriter(lambda: producer, "dead").write([letter(offset) for offset in range(7)])
    assert [key for _, key, _ in producer.sent] == [f"t/3/{offset}".encode() for offset in range(7)]


def test_no_letters_open_no_connection():
    KafkaDeadLetterWriter(lambda: pytest.fail("connected"), "dead").write([])
