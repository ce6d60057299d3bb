"""The dead-letter topic as its readers see it: letters, and marks that say what was replayed.

A letter's key is its source, ``topic/partition/offset``. Once it is replayed a message with the same key and no value
follows it, whose header says where the message stands now: in Kafka, so that every operator and every run knows of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from headrace.config import Config
from headrace_consumers.topics.reading import TopicReader
from headrace_schemas import DeadLetter, DecodeError, dead_letter_codec
from headrace_schemas.keys import partition_of

__all__ = [
    "REPLAYED_FROM",
    "REPLAYED_TO",
    "TOPIC_ID",
    "Entry",
    "Identity",
    "Letter",
    "LetterTopic",
    "Odd",
    "Replayed",
    "place_of",
    "source_of",
]

REPLAYED_FROM: Final = "headrace-replayed-from"
"""Header of a replayed message: ``topic/partition/offset`` where it was."""

REPLAYED_TO: Final = "headrace-replayed-to"
"""Header of the mark on the dead-letter topic: ``topic/partition/offset`` where the message is now."""

TOPIC_ID: Final = "headrace-topic-id"
"""Header of the mark: the topic's id, for a topic that is made anew counts its offsets anew."""

Identity: TypeAlias = tuple[str, str]
"""Topic id, and source."""

_codec = dead_letter_codec()


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, and when the consumer gave up on it (Unix time, ms; None: Kafka does not say)."""

    source: str
    letter: DeadLetter
    written_at_ms: int | None

    @property
    def identity(self) -> Identity:
        """What copies of it share."""
        return self.letter["topic_id"], self.source


@dataclass(frozen=True, slots=True)
class Replayed:
    """A mark: the message of this identity now stands at `target` too."""

    identity: Identity
    target: str
    at_ms: int | None


@dataclass(frozen=True, slots=True)
class Odd:
    """A message on the dead-letter topic that is no dead letter."""

    partition: int
    offset: int


Entry: TypeAlias = Letter | Replayed | Odd


class LetterTopic:
    """The configured dead-letter topic.

    Args:
        config: the whole configuration.
        timeout_s: how long the broker may be silent.

    Raises:
        ConfigError: no broker is configured.
    """

    def __init__(self, config: Config, timeout_s: float = 10.0) -> None:
        self.name = config.kafka.topics.dead_letters
        self._reader = TopicReader(config, self.name, timeout_s)

    def entries(self) -> Iterator[Entry]:
        """Yield all that is there; a mark comes after its letter.

        Raises:
            TopicError: it cannot be read.
        """
        return map(entry_of, self._reader.read())

    def find(self, source: str) -> list[Letter | Replayed]:
        """Return the copies of the letter from ``topic/partition/offset``, and its marks.

        Raises:
            TopicError: it cannot be read.
        """
        key = source.encode()
        partitions = list(self._reader.bounds())
        likely = partition_of(key, len(partitions))
        for chosen in ([likely], [p for p in partitions if p != likely]):
            messages = self._reader.read(chosen) if chosen else iter(())
            found = [entry_of(message) for message in messages if message.key() == key]
            if told := [entry for entry in found if not isinstance(entry, Odd)]:
                return told
        return []


def entry_of(message: Any) -> Entry:
    """Return what a message on the dead-letter topic is."""
    key, value, headers = message.key(), message.value(), dict(message.headers() or ())
    at_ms = message.timestamp()[1] if message.timestamp()[0] else None
    if value is None and key is not None and headers.get(REPLAYED_TO):
        identity = (_text(headers.get(TOPIC_ID)), _text(key))
        return Replayed(identity, _text(headers[REPLAYED_TO]), at_ms)
    try:
        letter = _codec.decode(value or b"")
    except DecodeError:
        return Odd(message.partition(), message.offset())
    return Letter(source_of(letter), letter, at_ms)


def source_of(letter: DeadLetter) -> str:
    """Return ``topic/partition/offset`` of the original message."""
    return f"{letter['topic']}/{letter['partition']}/{letter['offset']}"


def place_of(source: str) -> tuple[str, int, int]:
    """Return topic, partition and offset of what `source_of` returned."""
    topic, partition, offset = source.rsplit("/", 2)
    return topic, int(partition), int(offset)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
