"""A message of a topic becomes its record, or is counted as one that cannot be read."""

from abc import ABC, abstractmethod
from collections import Counter
from typing import Any, Generic, TypeVar

from headrace_consumers.statistics.place import Reading
from headrace_schemas import Codec, DecodeError

__all__ = ["Decoding"]

Record = TypeVar("Record")


class Decoding(ABC, Generic[Record]):
    """Reads the records of one topic.

    Args:
        topic: its name.
        codec: of its records.
        log: is told of what cannot be read, once a reason.

    Attributes:
        topic: as given.
        unreadable: reason -> records that could not be read.
    """

    def __init__(self, topic: str, codec: Codec[Record], log: Any) -> None:
        self.topic = topic
        self.unreadable: Counter[str] = Counter()
        self._codec = codec
        self._log = log

    @abstractmethod
    def _why_unusable(self, record: Record) -> str | None:
        """Return what is wrong with the figures of a record that could be decoded, or None."""

    def _decoded(self, reading: Reading, *, is_told: bool = True) -> Record | None:
        """Return a message's record; None where there is none, which is counted, and logged once a reason.

        Args:
            reading: the message.
            is_told: false for one of which somebody told before.
        """
        reason, detail = "tombstone", "the message has no value"
        if reading.value is not None:
            try:
                record = self._codec.decode(reading.value)
            except DecodeError as error:
                reason, detail = error.reason, str(error)
            else:
                detail = self._why_unusable(record) or ""
                if not detail:
                    return record
                reason = "invalid_number"
        if is_told:
            if not self.unreadable[reason]:
                self._log.warning("a record cannot be read", reason=reason, detail=detail, **reading.where())
            self.unreadable[reason] += 1
        return None
