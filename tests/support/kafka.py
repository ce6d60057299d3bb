"""What a test does with the broker: topics of its own, and reading them from begin to end."""

import re
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.kafka_settings import Broker, quiet_client
from tests.support.waiting import wait_until

__all__ = ["Kafka"]

_TIMEOUT_S: Final = 120


class Kafka:
    """The broker of a test run.

    Attributes:
        bootstrap_servers: HOST:PORT.
        how: env, docker or maven.
        admin: an AdminClient.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._created: list[str] = []
        self.bootstrap_servers = broker.bootstrap_servers
        self.how = broker.how
        self.admin = AdminClient(quiet_client(broker.bootstrap_servers))

    def create_topic(
        self, *, partitions: int = 1, config: Mapping[str, str] | None = None, prefix: str = "test"
    ) -> str:
        """Return the name of a new, empty topic whose partitions all have a leader; LogAppendTime by default."""
        name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', prefix)}-{uuid.uuid4().hex[:12]}"
        settings = {"message.timestamp.type": "LogAppendTime", **(config or {})}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
        self.admin.create_topics([topic])[name].result(_TIMEOUT_S)
        self._created.append(name)
        wait_until(lambda: self._is_led(name, partitions), f"leaders of topic {name}")
        return name

    def delete_topics(self, topics: Sequence[str]) -> None:
        """Delete topics that `create_topic` has made.

        Raises:
            KafkaException: the broker does not answer or refuses.
        """
        for deleted in self.admin.delete_topics(list(topics)).values():
            deleted.result(_TIMEOUT_S)
        self._created = [topic for topic in self._created if topic not in topics]

    def records(self, topic: str, *, timeout_s: float = _TIMEOUT_S) -> list[Message]:
        """Return the committed messages of a topic, by partition and offset.

        What is there when the reading begins is returned; what is being written meanwhile may be.

        Raises:
            KafkaException: there is no such topic, or the broker failed.
            TimeoutError: the ends of the partitions were not reached in time.
        """
        consumer = Consumer(
            {
                **quiet_client(self.bootstrap_servers),
                "group.id": f"reader-{uuid.uuid4().hex}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,  # offsets have gaps, so the end is told, not computed
            }
        )
        messages: list[Message] = []
        try:
            listed = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
            if listed.error:
                raise KafkaException(listed.error)
            unread = set(listed.partitions)
            consumer.assign([TopicPartition(topic, partition, 0) for partition in unread])
            deadline = time.monotonic() + timeout_s
            while unread:
                message = consumer.poll(0.1)
                if message is not None and (error := message.error()):
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    unread.discard(message.partition())
                elif message is not None:
                    messages.append(message)
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"{topic}: read {len(messages)} messages in {timeout_s:g} s, "
                        f"not yet to the end of partitions {sorted(unread)}"
                    )
        finally:
            consumer.close()
        return sorted(messages, key=lambda message: (message.partition(), message.offset()))

    def close(self) -> None:
        """End the broker, or, where it is somebody's own, remove what was created there."""
        if self.how == "env" and self._created:
            for deleted in self.admin.delete_topics(self._created).values():
                deleted.result(_TIMEOUT_S)
        self._broker.stop()

    def _is_led(self, name: str, partitions: int) -> bool:
        listed = self.admin.list_topics(name, timeout=_TIMEOUT_S).topics[name]
        return len(listed.partitions) == partitions and all(p.leader >= 0 for p in listed.partitions.values())
