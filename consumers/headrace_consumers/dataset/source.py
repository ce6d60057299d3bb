"""The topic: its identity, and the Kafka clients of the dataset consumer."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient

from headrace.config import Config
from headrace_consumers.dataset.errors import SourceError

__all__ = ["Source", "consumer_options", "describe", "make_consumer", "make_dead_letter_producer"]

TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Source:
    """A topic as Kafka knows it.

    Attributes:
        topic: its name.
        topic_id: its id; a topic that was deleted and created again has another.
        partition_count: its partitions.
    """

    topic: str
    topic_id: str
    partition_count: int


def describe(config: Config) -> Source:
    """Ask the broker for the interactions topic.

    Raises:
        SourceError: no broker is configured or answers, or the topic is missing.
    """
    topic = config.kafka.topics.interactions
    servers = config.kafka.bootstrap_servers
    if servers is None:
        raise SourceError("kafka.bootstrap_servers: not set; give HOST:PORT in the configuration or the environment")
    admin = AdminClient({"bootstrap.servers": servers, **_QUIET, **config.kafka.options}, logger=_LOGGER)
    try:
        if config.kafka.embedded_id is not None:  # the embedded broker knows no topic ids
            metadata = admin.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
            return Source(topic, f"{config.kafka.embedded_id}-{topic}", len(metadata.partitions))
        future = admin.describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT_S)[topic]
        description = future.result()
    except KafkaException as error:
        kafka_error = error.args[0]
        if kafka_error.name() == "UNKNOWN_TOPIC_OR_PART":
            raise SourceError(f"{topic}: no such topic on {servers}; create it with `headrace topics create`") from None
        raise SourceError(f"{servers}: no answer from Kafka ({kafka_error.str()})") from None
    return Source(topic, str(description.topic_id), len(description.partitions))


def consumer_options(config: Config) -> dict[str, Any]:
    """Return librdkafka's options for the consumer; the user's own win, but for those that the protocol rests on."""
    options: dict[str, Any] = {
        "fetch.queue.backoff.ms": 20,  # at the default of 1 s a backlog is read in bursts
        "queued.max.messages.kbytes": 65_536,
        **_QUIET,
        **config.kafka.options,
        **config.kafka.consumer_options,
        "bootstrap.servers": config.kafka.bootstrap_servers,
        "group.id": config.dataset.group_id,
        "enable.auto.commit": False,  # the table holds the offsets
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # any other value would skip or repeat records silently
    }
    if options.get("group.protocol", "classic") != "consumer":
        options.setdefault("partition.assignment.strategy", "cooperative-sticky")
    return options


def make_consumer(config: Config, **callbacks: Any) -> Consumer:
    """Return a consumer, not yet subscribed.

    Raises:
        SourceError: librdkafka refuses an option.
    """
    try:
        return Consumer({**consumer_options(config), **callbacks}, logger=_LOGGER)
    except (KafkaException, ValueError, TypeError) as error:
        raise SourceError(f"kafka options: {_one_line(error)}") from None


def make_dead_letter_producer(config: Config) -> Producer:
    """Return a producer that acknowledges with all replicas.

    Raises:
        SourceError: librdkafka refuses an option.
    """
    options: Mapping[str, Any] = {
        **_QUIET,
        "message.max.bytes": 16_000_000,  # a message and its circumstances; the topic's own limit decides
        **config.kafka.options,
        **config.kafka.producer_options,
        "bootstrap.servers": config.kafka.bootstrap_servers,
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
    }
    try:
        return Producer(dict(options), logger=_LOGGER)
    except (KafkaException, ValueError, TypeError) as error:
        raise SourceError(f"kafka options: {_one_line(error)}") from None


_QUIET: Final[Mapping[str, Any]] = {"log_level": 2, "client.id": "headrace"}
"""What goes wrong is told once, by exceptions and `error_cb`, and not at every attempt on standard error."""

_LOGGER: Final = logging.getLogger("headrace.kafka")


def _one_line(error: BaseException) -> str:
    kafka_error = error.args[0] if error.args else error
    return kafka_error.str() if hasattr(kafka_error, "str") else " ".join(str(error).split())
