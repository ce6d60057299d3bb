"""A Kafka message as a value, so that everything behind the consumer is a function over values."""

from dataclasses import dataclass
from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE

__all__ = ["Message"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the interactions topic.

    Attributes:
        partition: the partition it was read from.
        offset: its offset there.
        key: the message key, or None.
        value: the message's bytes, or None for a tombstone.
        append_time_ms: Kafka's timestamp (the broker's clock where the topic is LogAppendTime), or None.
        headers: name and value pairs.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    append_time_ms: int | None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @classmethod
    def from_kafka(cls, message: Any, value: bytes | None = None) -> "Message":
        """Return the value of a `confluent_kafka.Message`.

        Args:
            message: it.
            value: its bytes, where they were taken out of it.
        """
        kind, time_ms = message.timestamp()
        return cls(
            message.partition(),
            message.offset(),
            message.key(),
            message.value() if value is None else value,
            None if kind == TIMESTAMP_NOT_AVAILABLE else time_ms,
            tuple(message.headers() or ()),
        )

    @property
    def size_bytes(self) -> int:
        """Key and value, in bytes."""
        return len(self.key or b"") + len(self.value or b"")
