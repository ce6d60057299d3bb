"""A Kafka broker inside this process, for demos and tests: librdkafka's mock cluster.

It speaks the protocol well enough for producers and consumer groups. It does not persist, keeps about 5 MiB a
partition (and silently drops the oldest), has no topic ids, and gives each topic 4 partitions on first use.
"""

import logging
import secrets
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaException, Producer, TopicPartition

from headrace_schemas import HeadraceError

__all__ = ["EmbeddedBroker", "EmbeddedBrokerError"]

_TIMEOUT_S: Final = 10.0
_log: Final = logging.getLogger(__name__)


class EmbeddedBrokerError(HeadraceError):
    """The embedded broker did not start or does not answer."""


class EmbeddedBroker:
    """A broker that lives as long as this object is open.

    Args:
        topics: made at once, so that a consumer finds them before the first message.

    Attributes:
        bootstrap_servers: HOST:PORT, on this machine only.
        embedded_id: stands for the topic ids that this broker lacks (`kafka.embedded_id`).

    Raises:
        EmbeddedBrokerError: it does not answer.
    """

    def __init__(self, topics: Iterable[str] = ()) -> None:
        self.embedded_id = f"embedded-{secrets.token_hex(8)}"
        # The client that owns the cluster; a second bootstrap address is not used.
        self._owner: Producer | None = Producer(
            {"test.mock.num.brokers": 1, "bootstrap.servers": "", "log_level": 2}, logger=_log
        )
        try:
            brokers = self._owner.list_topics(timeout=_TIMEOUT_S).brokers.values()
            for topic in topics:
                self._owner.list_topics(topic, timeout=_TIMEOUT_S)
        except KafkaException as error:
            raise EmbeddedBrokerError(f"embedded broker: {error.args[0].str()}; run the command again") from error
        self.bootstrap_servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def watermarks(self, topic: str) -> dict[int, tuple[int, int]]:
        """Return partition -> (first offset still held, next offset).

        Raises:
            EmbeddedBrokerError: it does not answer, or the topic does not exist.
        """
        consumer = KafkaConsumer(
            {"bootstrap.servers": self.bootstrap_servers, "group.id": "watermarks", "log_level": 2}, logger=_log
        )
        try:
            partitions = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
            return {
                partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT_S)
                for partition in sorted(partitions)
            }
        except KafkaException as error:
            raise EmbeddedBrokerError(f"embedded broker, topic {topic}: {error.args[0].str()}") from error
        finally:
            consumer.close()

    def close(self) -> None:
        """Stop the broker; what it holds is gone."""
        self._owner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
