"""The topic's identity, and the Kafka clients of the dataset consumer."""

import logging
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Producer

from headrace.client_options import client_options
from headrace.config import Config
from headrace_consumers.dataset.errors import SourceError
from headrace_consumers.kafka_clients import QUIET

__all__ = ["Source", "consumer_options", "make_consumer", "make_dead_letter_producer"]


@dataclass(frozen=True, slots=True)
class Source:
    """A topic as Kafka knows it.

    Attributes:
        topic: its name.
        topic_id: its id; a topic that was deleted and created again has another.
        partition_count: its partitions.
        purpose: its name in `kafka.topics`.
    """

    topic: str
    topic_id: str
    partition_count: int
    purpose: str = "interactions"


def consumer_options(config: Config) -> dict[str, Any]:
    """Return librdkafka's options for the consumer; the user's own win, but for those that the protocol rests on."""
    options: dict[str, Any] = {
        "fetch.queue.backoff.ms": 20,  # at the default of 1 s a backlog is read in bursts
        # Memory holds two to four times as much. What is read during a commit need not fit: it comes in faster than it
        # is worked off.
        "queued.max.messages.kbytes": 16_384,
        **QUIET,
        **client_options(config.kafka),
        **config.kafka.consumer_options,
        "bootstrap.servers": config.kafka.bootstrap_servers,
        "group.id": config.dataset.group_id,
        "enable.auto.commit": False,  # the table holds the offsets
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # any other value would skip or repeat records silently
        "enable.partition.eof": True,  # offsets have gaps, so that it has caught up is told, not computed
    }
    if config.dataset.group_instance_id is not None:
        options["group.instance.id"] = config.dataset.group_instance_id
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
    options: dict[str, Any] = {
        **QUIET,
        "message.max.bytes": 16_000_000,  # a message and its circumstances; the topic's own limit decides
        **client_options(config.kafka),
        **config.kafka.producer_options,
        "bootstrap.servers": config.kafka.bootstrap_servers,
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
    }
    try:
        return Producer(options, logger=_LOGGER)
    except (KafkaException, ValueError, TypeError) as error:
        raise SourceError(f"kafka options: {_one_line(error)}") from None


_LOGGER: Final = logging.getLogger("headrace.kafka")


def _one_line(error: BaseException) -> str:
    kafka_error = error.args[0] if error.args else error
    return kafka_error.str() if hasattr(kafka_error, "str") else " ".join(str(error).split())
