"""What counting the records of one topic or the other has in common: what it is made of, and reading a message."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from headrace_consumers.metrics.labels import Labels
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.statistics.beginning import Beginning
from headrace_consumers.statistics.place import Place, Reading
from headrace_schemas import Codec, DecodeError

__all__ = ["TopicCounting"]

Record = TypeVar("Record")

log = structlog.get_logger("headrace.metrics")


class TopicCounting(ABC, Generic[Record]):
    """Counts what the messages of one topic add to the totals.

    Args:
        topic: its name.
        totals: where increases go.
        labels: under which names.
        now_ms: Unix time.
        codec: of its records.

    Attributes:
        topic: as given.
        results: what became of records, by `Result`.
        unreadable: reason -> records that could not be read.
    """

    def __init__(
        self, topic: str, totals: Totals, labels: Labels, now_ms: Callable[[], int], *, codec: Codec[Record]
    ) -> None:
        self.topic = topic
        self.results: Counter[str] = Counter()
        self.unreadable: Counter[str] = Counter()
        self._totals = totals
        self._labels = labels
        self._now_ms = now_ms
        self._codec = codec

    @abstractmethod
    def assign(self, place: Place, begins: Beginning) -> None:
        """Begin with a partition."""

    @abstractmethod
    def unassign(self, place: Place) -> None:
        """Forget a partition; whether what was read of it counts is for the totals to be told."""

    @abstractmethod
    def take(self, reading: Reading) -> None:
        """Take in a message of a partition that is assigned; never raises for what is in it."""

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
                log.warning("a record cannot be read", reason=reason, detail=detail, **reading.where())
            self.unreadable[reason] += 1
        return None
