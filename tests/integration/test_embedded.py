"""The embedded broker: what the demo relies on."""

import pytest
from confluent_kafka import Producer

from headrace_consumers.embedded import EmbeddedBroker


def test_topics_are_there_before_the_first_message():
    with EmbeddedBroker(["one", "two"]) as broker:
        assert broker.watermarks("one") == dict.fromkeys(range(4), (0, 0))
        assert broker.watermarks("two") == dict.fromkeys(range(4), (0, 0))


def test_watermarks_tell_what_it_holds_and_what_it_dropped():
    with EmbeddedBroker(["t"]) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 2})
        for _ in range(8):
            producer.produce("t", bytes(900_000), partition=0)
        producer.produce("t", b"small", partition=1)
        assert producer.flush(30) == 0
        marks = broker.watermarks("t")
    low, high = marks[0]
    assert high == 8
    assert 0 < low < 8  # about 5 MiB a partition, the oldest dropped
    assert marks[1] == (0, 1)


def test_each_broker_has_an_id_of_its_own():
    with EmbeddedBroker() as one, EmbeddedBroker() as other:
        assert one.embedded_id.startswith("embedded-")
        assert one.embedded_id != other.embedded_id
        assert one.bootstrap_servers != other.bootstrap_servers


@pytest.mark.parametrize("topics", [[], ["t"]])
def test_it_can_be_closed_twice(topics):
    broker = EmbeddedBroker(topics)
    broker.close()
    broker.close()
