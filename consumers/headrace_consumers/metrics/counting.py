"""Statistics messages to increases in the totals, partition by partition.

before the partition's start    remembered: another process, or this one before, has shown them
from there on                   taken: what they add goes into the totals
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headrace_consumers.metrics.labels import Labels
from headrace_consumers.metrics.producer_labels import ProducerLabels
from headrace_consumers.metrics.topic_counting import TopicCounting
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.statistics.beginning import Beginning
from headrace_consumers.statistics.place import Place, Reading
from headrace_consumers.statistics.producers import MAX_PRODUCERS, Increase, Producer, Producers, Result
from headrace_consumers.statistics.series import LATE, Series, series_of, why_unusable
from headrace_schemas import Registry, Statistics, statistics_codec

__all__ = ["StatisticsCounting"]


@dataclass(slots=True)
class _Partition:
    start: int
    producers: Producers


class StatisticsCounting(TopicCounting[Statistics]):
    """Counts what statistics records add.

    Args:
        topic: the topic of statistics.
        totals: see `TopicCounting`; so are the next two.
        labels: under which names.
        now_ms: Unix time.
        registry: the schemas that it may meet.
        max_producers: how many are remembered for each partition.
    """

    def __init__(
        self,
        topic: str,
        totals: Totals,
        labels: Labels,
        now_ms: Callable[[], int],
        *,
        registry: Registry | None = None,
        max_producers: int = MAX_PRODUCERS,
    ) -> None:
        super().__init__(topic, totals, labels, now_ms, codec=statistics_codec(registry))
        self._max_producers = max_producers
        self._shown = ProducerLabels(labels, now_ms)
        self._partitions: dict[Place, _Partition] = {}
        self._forgotten = 0

    @property
    def forgotten(self) -> int:
        """How many producers were forgotten, to make room."""
        return self._forgotten + sum(each.producers.forgotten for each in self._partitions.values())

    def producers(self) -> Iterator[Producer]:
        """Yield the producers that are remembered, named as on the page."""
        for partition in self._partitions.values():
            yield from map(self._shown.named, partition.producers)

    def assign(self, place: Place, begins: Beginning) -> None:
        """See `TopicCounting.assign`."""
        self._partitions[place] = _Partition(begins.start, Producers(begins.complete_since_ms, self._max_producers))

    def unassign(self, place: Place) -> None:
        """See `TopicCounting.unassign`."""
        partition = self._partitions.pop(place, None)
        if partition is not None:
            self._forgotten += partition.producers.forgotten

    def take(self, reading: Reading) -> None:
        """See `TopicCounting.take`."""
        partition = self._partitions[reading.place]
        is_new = reading.offset >= partition.start
        record = self._decoded(reading, is_told=is_new)
        if record is not None:
            self._shown.take(record)
        if record is not None and not is_new:
            partition.producers.remember(record, series_of(record), reading.appended_ms)
        if not is_new:
            return
        grown: Series = {}
        if record is not None:
            increase = partition.producers.take(record, series_of(record), reading.appended_ms, self._now_ms())
            self.results[increase.result] += 1
            grown = self._placed(increase)
        self._totals.add(reading.place, grown, reading.after)

    def _why_unusable(self, record: Statistics) -> str | None:
        return why_unusable(record)

    def _placed(self, increase: Increase) -> Series:
        placed: Series = {}
        for (name, labels), vector in increase.series.items():
            target = LATE.get(name, name) if increase.result is Result.late else name
            if target is None:
                continue
            key = self._labels.place((target, labels))
            before = placed.get(key)
            placed[key] = vector if before is None else [a + b for a, b in zip(before, vector, strict=True)]
        return placed
