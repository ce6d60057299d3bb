"""What counting the records of one topic or the other has in common: what it is made of, and reading a message."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import structlog

from headrace_consumers.metrics.labels import Labels
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.statistics.beginning import Beginning
from headrace_consumers.statistics.decoding import Decoding
from headrace_consumers.statistics.place import Place, Reading
from headrace_schemas import Codec

__all__ = ["TopicCounting"]

Record = TypeVar("Record")

log = structlog.get_logger("headrace.metrics")


class TopicCounting(Decoding[Record]):
    """Counts what the messages of one topic add to the totals.

    Args:
        topic: its name.
        totals: where increases go.
        labels: under which names.
        now_ms: Unix time.
        codec: of its records.

    Attributes:
        results: what became of records, by `Result`.
    """

    def __init__(
        self, topic: str, totals: Totals, labels: Labels, now_ms: Callable[[], int], *, codec: Codec[Record]
    ) -> None:
        super().__init__(topic, codec, log)
        self.results: Counter[str] = Counter()
        self._totals = totals
        self._labels = labels
        self._now_ms = now_ms

    @abstractmethod
    def assign(self, place: Place, begins: Beginning) -> None:
        """Begin with a partition."""

    @abstractmethod
    def unassign(self, place: Place) -> None:
        """Forget a partition; whether what was read of it counts is for the totals to be told."""

    @abstractmethod
    def take(self, reading: Reading) -> None:
        """Take in a message of a partition that is assigned; never raises for what is in it."""
