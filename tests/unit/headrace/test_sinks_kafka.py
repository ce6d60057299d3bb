"""What only the Kafka sink must do: keys and headers, options, what librdkafka says and how it fails."""

import gc
import logging
import weakref
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from headrace.config import load
from headrace.delivery.outgoing import Outgoing
from headrace.delivery.sinks import KafkaSink, Returned
from headrace.delivery.sinks.kafka_options import producer_options
from headrace.delivery.sinks.protocol import TAKEN_BACK
from headrace.errors import ConfigError
from headrace_schemas import keys
from headrace_schemas.topics import INTERACTIONS, REQUEST_HEADER
from tests.unit.headrace.test_sinks import LONG_S, kafka_config, record_of, refusing_address


class Words(list[str | None]):
    """What a sink said of its records, and the records that it gave back."""

    def __init__(self) -> None:
        super().__init__()
        self.returned: list[Outgoing | None] = []

    def __call__(self, lost_for: str | None, returned: Returned | None = None) -> None:
        self.append(lost_for)
        if returned is not None:
            self.returned.append(returned())


class FakeMessage:
    def __init__(self, value: bytes) -> None:
        self._value = value

    def value(self) -> bytes:
        return self._value


class FakeProducer:
    """Takes messages, or raises what it is told to; acknowledges when polled, or fails them all for `error`."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.raises: list[Exception] = []
        self.callbacks: list[tuple[Any, FakeMessage]] = []
        self.error: KafkaError | None = None
        self.purged = False

    def produce(self, _: str, value: bytes, *__: object, on_delivery: Any, **___: object) -> None:
        if self.raises:
            raise self.raises.pop(0)
        self.callbacks.append((on_delivery, FakeMessage(value)))

    def poll(self, _: float) -> None:
        self._tell(self.error)

    def flush(self, _: float) -> int:
        if self.purged:
            self._tell(KafkaError(KafkaError._PURGE_QUEUE))
        return len(self.callbacks)

    def _tell(self, error: KafkaError | None) -> None:
        while self.callbacks:
            on_delivery, message = self.callbacks.pop()
            on_delivery(error, message)

    def purge(self) -> None:
        self.purged = True

    def __len__(self) -> int:
        return len(self.callbacks)


class Factory:
    """Makes fake producers and keeps them."""

    def __init__(self) -> None:
        self.made: list[FakeProducer] = []
        self.raises: list[Exception] = []
        self.now_s = 0.0

    def __call__(self, options: dict[str, Any]) -> FakeProducer:
        if self.raises:
            raise self.raises.pop(0)
        self.made.append(FakeProducer(options))
        return self.made[-1]

    def sink(self) -> KafkaSink:
        return KafkaSink(kafka_config("broker:9092"), make_producer=self, clock=lambda: self.now_s)


def test_a_message_has_its_key_its_header_and_its_partition() -> None:
    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 0})
    (broker,) = cluster.list_topics(timeout=LONG_S).brokers.values()
    servers = f"{broker.host}:{broker.port}"
    sink = KafkaSink(kafka_config(servers))
    words = Words()
    for number in range(8):
        assert sink.send(Outgoing("interaction", record_of(number)), words)
    sink.close(LONG_S)
    assert words == [None] * 8
    reader = Consumer(
        {"bootstrap.servers": servers, "group.id": "test", "auto.offset.reset": "earliest", "log_level": 0}
    )
    reader.subscribe([INTERACTIONS])
    for _ in range(8):
        message = reader.poll(LONG_S)
        assert message is not None
        assert message.error() is None
        assert message.headers() == [(REQUEST_HEADER, keys.request_id_hash("req-1"))]
        assert message.partition() == keys.partition_of(message.key(), 4)
        assert int(message.key(), 16) < 8
    reader.close()


def test_the_users_options_win_except_the_pinned_ones() -> None:
    config = load(
        None,
        {
            "kafka": {
                "bootstrap_servers": "broker:9092",
                "options": {"client.id": "all", "security.protocol": "ssl"},
                "producer_options": {"client.id": "mine", "linger.ms": 7, "acks": -1, "enable.idempotence": True},
            }
        },
        {},
    )
    options = producer_options(config)
    assert options["client.id"] == "mine"
    assert (options["linger.ms"], options["security.protocol"]) == (7, "ssl")
    assert options["bootstrap.servers"] == "broker:9092"
    assert (options["partitioner"], options["enable.idempotence"], options["acks"]) == ("murmur2_random", True, "all")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("partitioner", "consistent_random"),
        ("enable.idempotence", False),
        ("acks", 1),
        ("request.required.acks", "0"),
        ("transactional.id", "x"),
    ],
)
def test_an_option_that_breaks_exactly_once_is_refused_in_one_line(name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        KafkaSink(kafka_config("broker:9092", **{name: value}))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_full_client_is_no_loss() -> None:
    factory = Factory()
    sink, words = factory.sink(), Words()
    assert sink.send(Outgoing("interaction", record_of(0)), words)
    factory.made[0].raises = [BufferError()]
    assert not sink.send(Outgoing("interaction", record_of(1)), words)
    assert sink.send(Outgoing("interaction", record_of(1)), words)
    assert sink.pending() == 2
    sink.poll(0)
    assert (words, sink.pending()) == ([None, None], 0)


def test_a_message_that_is_refused_is_lost_alone(caplog: pytest.LogCaptureFixture) -> None:
    factory = Factory()
    sink, words = factory.sink(), Words()
    sink.send(Outgoing("interaction", record_of(0)), words)
    factory.made[0].raises = [KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))]
    assert sink.send(Outgoing("interaction", record_of(1)), words)
    assert words == ["kafka:MSG_SIZE_TOO_LARGE"]
    assert words.returned == []
    assert "Message size too large" in caplog.text


def test_after_a_fatal_error_a_new_client_takes_over() -> None:
    factory = Factory()
    sink, words = factory.sink(), Words()
    sink.send(Outgoing("interaction", record_of(0)), words)
    factory.made[0].raises = [KafkaException(KafkaError(KafkaError._FATAL))]
    assert not sink.send(Outgoing("interaction", record_of(1)), words)
    assert sink.send(Outgoing("interaction", record_of(1)), words)
    assert len(factory.made) == 2
    assert words == [TAKEN_BACK]
    sink.poll(0)
    assert words == [TAKEN_BACK, None]


def test_a_client_that_cannot_be_made_is_tried_again_later(caplog: pytest.LogCaptureFixture) -> None:
    factory = Factory()
    refusal = KafkaException(KafkaError(KafkaError._INVALID_ARG, 'No such configuration property: "x"'))
    factory.raises = [refusal]
    sink, words = factory.sink(), Words()
    for _ in range(3):
        assert sink.send(Outgoing("interaction", record_of(0)), words)
    assert words == ["kafka:_INVALID_ARG"] * 3
    assert len(words.returned) == 3
    assert sink.is_down()
    assert len(caplog.records) == 1
    assert 'No such configuration property: "x"' in caplog.text
    factory.now_s = 11
    assert sink.send(Outgoing("interaction", record_of(0)), words)
    sink.poll(0)
    assert words[3:] == [None]


def test_what_closing_purges_comes_back() -> None:
    factory = Factory()
    sink, words = factory.sink(), Words()
    outgoing = Outgoing("interaction", record_of(0))
    sink.send(outgoing, words)
    sink.close(0)
    assert (words, words.returned) == ([TAKEN_BACK], [outgoing])


@pytest.mark.parametrize(
    "code",
    [
        KafkaError._MSG_TIMED_OUT,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError._AUTHENTICATION,
        KafkaError.NOT_ENOUGH_REPLICAS,
    ],
)
def test_a_record_that_is_not_to_blame_comes_back(code: int) -> None:
    factory = Factory()
    sink, words = factory.sink(), Words()
    outgoing = Outgoing("interaction", record_of(0))
    sink.send(outgoing, words)
    factory.made[0].error = KafkaError(code)
    sink.poll(0)
    factory.made[0].raises = [KafkaException(KafkaError(code))]
    sink.send(outgoing, words)
    assert words.returned == [outgoing] * 2


def test_it_knows_that_no_broker_is_there_until_one_acknowledges() -> None:
    factory = Factory()
    sink = factory.sink()
    sink.send(Outgoing("interaction", record_of(0)), lambda *_: None)
    assert not sink.is_down()
    factory.made[0].options["error_cb"](KafkaError(KafkaError._TRANSPORT))
    assert not sink.is_down()
    factory.made[0].options["error_cb"](KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert sink.is_down()
    sink.poll(0)
    assert not sink.is_down()


def test_a_forked_child_never_frees_the_parents_client() -> None:
    factory = Factory()
    sink = factory.sink()
    sink.send(Outgoing("interaction", record_of(0)), lambda *_: None)
    client = weakref.ref(factory.made.pop())
    sink.abandon()
    gc.collect()
    assert client() is not None
    assert sink.send(Outgoing("interaction", record_of(1)), lambda *_: None)
    assert factory.made[0] is not client()


def test_an_error_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    factory = Factory()
    sink = factory.sink()
    sink.send(Outgoing("interaction", record_of(0)), lambda *_: None)
    on_error = factory.made[0].options["error_cb"]
    for factory.now_s in (0, 1, 59, 60, 61):
        on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_librdkafkas_own_log_does_not_reach_standard_error(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    sink = KafkaSink(kafka_config(refusing_address(), **{"message.timeout.ms": 300, "linger.ms": 1}))
    words = Words()
    with caplog.at_level(logging.INFO, "headrace"):
        sink.send(Outgoing("interaction", record_of(0)), words)
        sink.close(5)
    assert words == ["kafka:_MSG_TIMED_OUT"]
    assert "librdkafka: FAIL" in caplog.text
    assert [record.getMessage() for record in caplog.records if "(_TRANSPORT)" in record.getMessage()]
    assert capfd.readouterr() == ("", "")
