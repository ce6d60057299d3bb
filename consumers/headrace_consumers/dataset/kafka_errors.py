"""What an error of the client means: the end, a gap, or something that passes."""

from typing import Any, Final

from confluent_kafka import KafkaError

from headrace_consumers.dataset.errors import OffsetsGoneError, SourceError

__all__ = ["refusal"]

_GONE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001
_FINAL: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  # librdkafka's own codes are named so
    }
)


def refusal(error: Any, place: str) -> SourceError | None:
    """Return why reading cannot go on, or None for an error that the client gets over by itself.

    Args:
        error: a `confluent_kafka.KafkaError`.
        place: the topic, or topic/partition, that it is about.
    """
    if error.code() in _GONE:
        return OffsetsGoneError(f"{place}: {error.str()}")
    if error.code() == KafkaError.FENCED_INSTANCE_ID:
        return SourceError(
            f"{place}: another member has the same dataset.group_instance_id and took over; give each member its own. "
            "Nothing is lost"
        )
    if error.fatal() or error.code() in _FINAL:
        return SourceError(f"{place}: {error.str()}")
    return None
