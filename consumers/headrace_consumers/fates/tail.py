"""The newest messages of the interactions topic, decoded; read without a group, a few at a time."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from headrace.config import Config
from headrace.key_material import reading_keys
from headrace_consumers.dataset.judging.placement import misplaced
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.records.decode import Decoded, FastavroDecoder, Unreadable
from headrace_consumers.topics.reading import TopicReader
from headrace_schemas import Registry

__all__ = ["Tail"]

_AT_ONCE: Final = 200


class Tail:
    """The end of the interactions topic.

    Args:
        config: the whole configuration.
        most: about so many of the newest messages, over all partitions.
        partitions: only these; None: all.

    Raises:
        ConfigError: no broker is configured, or a key is missing.
        TopicError: the topic cannot be read.
    """

    def __init__(self, config: Config, most: int, partitions: Sequence[int] | None = None) -> None:
        self._reader = TopicReader(config, config.kafka.topics.interactions)
        registry = Registry([Path(config.schemas.path)] if config.schemas.path else [])
        self._decoder = FastavroDecoder(registry, reading_keys(config))
        bounds = self._reader.bounds()
        chosen = bounds.keys() if partitions is None else bounds.keys() & set(partitions)
        each = -(-most // max(1, len(chosen)))
        self._starts = {p: max(bounds[p][0], bounds[p][1] - each) for p in chosen}
        self.partition_count = len(bounds)
        self.oldest = {p: low for p, (low, _) in bounds.items()}

    def __iter__(self) -> Iterator[tuple[Message, Decoded | Unreadable]]:
        """Yield each message, each partition's in offset order, up to the end as it is now.

        Raises:
            TopicError: they cannot be read.
        """
        messages = map(Message.from_kafka, self._reader.read(list(self._starts), self._starts))
        while some := list(islice(messages, _AT_ONCE)):
            yield from zip(some, self._decoded(some), strict=True)

    def at(self, partition: int, offset: int) -> tuple[Message, Decoded | Unreadable] | None:
        """Return the message at an offset, or None where Kafka holds none there (any more).

        Raises:
            TopicError: as above.
        """
        found = self._reader.at(partition, offset) if partition in self.oldest else None
        if found is None:
            return None
        message = Message.from_kafka(found)
        return message, self._decoded([message])[0]

    def _decoded(self, messages: list[Message]) -> list[Decoded | Unreadable]:
        """Return what the consumer makes of them, before it filters."""
        decoded = self._decoder.decode(messages)
        for place, why in misplaced(Messages.of(messages), self.partition_count).items():
            decoded[place] = why
        return decoded
