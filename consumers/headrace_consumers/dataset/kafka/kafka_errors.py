"""What an error of the client means: the end, a gap, or something that passes."""

import re
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError

from headrace_consumers.dataset.errors import OffsetsGoneError, SourceError
from headrace_consumers.kafka_clients import lacking

__all__ = ["ClientErrors", "refusal"]

_GONE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001
_FINAL: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  # librdkafka's own codes are named so
    }
)

_SAME_INSTANCE: Final = re.compile("instance", re.IGNORECASE)
_ADVICE: Final = (
    ". Two processes have one dataset.group_instance_id: give each its own; or its former process was killed, and is "
    "missed only after the session timeout: start again then. Nothing is lost"
)

log = structlog.get_logger("headrace.dataset")


def refusal(error: Any, place: str) -> SourceError | None:
    """Return why reading cannot go on, or None for an error that the client gets over by itself.

    Args:
        error: a `confluent_kafka.KafkaError`.
        place: the topic, or topic/partition, that it is about.
    """
    if error.code() in _GONE:
        return OffsetsGoneError(f"{place}: {error.str()}")
    if _is_fatal(error) or error.code() in _FINAL:
        advice = _ADVICE if _SAME_INSTANCE.search(error.str()) else lacking(error)
        return SourceError(f"{place}: {error.str().rstrip('.') if advice else error.str()}{advice}")
    return None


def _is_fatal(error: Any) -> bool:
    """Tell whether the client has given up: as a message, such an error is not marked so, but has a code of its own."""
    return bool(error.fatal()) or error.code() == KafkaError._FATAL  # noqa: SLF001  # see above


class ClientErrors:
    """librdkafka's error callback: what passes is logged once a kind, and what does not is kept for the loop.

    After a fatal error the client delivers nothing for ever; it is told here, or as a message.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._fatal: SourceError | None = None

    def __call__(self, error: Any) -> None:
        """Take in an error."""
        if _is_fatal(error):
            self._fatal = refusal(error, "Kafka")
        elif error.name() not in self._told:
            self._told.add(error.name())
            log.warning("Kafka", error=error.name(), reason=error.str())

    def raise_fatal(self) -> None:
        """Raise what ends the consumer, if anything has.

        Raises:
            SourceError: the client has given up.
        """
        if self._fatal is not None:
            raise self._fatal
