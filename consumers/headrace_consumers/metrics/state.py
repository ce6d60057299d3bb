"""What the loop fills and scrapes read, under one lock; and which offsets what has been shown allows to commit."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from headrace_consumers.metrics.counting import StatisticsCounting
from headrace_consumers.metrics.samples import Observation, SampleCounting
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.monitoring.page import Seen
from headrace_consumers.statistics.beginning import Beginning
from headrace_consumers.statistics.place import Place, Position, Reading
from headrace_consumers.statistics.producers import Producer
from headrace_consumers.statistics.series import Series

if TYPE_CHECKING:
    from headrace_consumers.metrics.topic_counting import TopicCounting

__all__ = ["Shown", "State"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a scrape shows.

    Attributes:
        series: the totals.
        producers: those that are remembered.
        results: what became of statistics records.
        unreadable: topic and reason -> records that could not be read.
        records: topic -> records that were dealt with.
        overflow: metric -> increases that went to `other`.
        forgotten: producers that were forgotten to make room.
        positions: to be committed as the page is sent.
        samples: what became of sampled records.
        observations: the newest hour's sampled outcomes, by the labels of the call.
        exemplars: the newest call of each latency bucket, likewise.
    """

    series: Series
    producers: tuple[Producer, ...]
    results: Mapping[str, int]
    unreadable: Mapping[tuple[str, str], int]
    records: Mapping[str, int]
    overflow: Mapping[str, int]
    forgotten: int
    positions: Mapping[Place, Position]
    samples: Mapping[str, int]
    observations: Mapping[tuple[str, ...], Sequence[Observation]]
    exemplars: Mapping[tuple[str, ...], Mapping[int, Seen]]


class State:
    """The whole of it; thread-safe.

    Args:
        totals: the sums.
        statistics: counts statistics records into them.
        samples: counts sampled records into them; None: they are not read.
        overflow: metric -> increases that went to `other`.
    """

    def __init__(
        self,
        totals: Totals,
        statistics: StatisticsCounting,
        samples: SampleCounting | None = None,
        overflow: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._lock = threading.Lock()
        self._totals = totals
        self._statistics = statistics
        self._samples = samples
        self._intakes: dict[str, TopicCounting[Any]] = {statistics.topic: statistics}
        if samples is not None:
            self._intakes[samples.topic] = samples
        self._overflow = overflow
        self._next: dict[Place, Position] = {}
        self._starts: dict[Place, int] = {}
        self._records: dict[str, int] = {}

    def assign(self, place: Place, begins: Beginning) -> None:
        """Begin with a partition."""
        with self._lock:
            self._intakes[place[0]].assign(place, begins)
            self._starts[place] = begins.start
            self._next[place] = Position(begins.read_from, 0)

    def take(self, readings: Iterable[Reading]) -> None:
        """Take in messages; those of partitions that are not owned are passed over."""
        with self._lock:
            for reading in readings:
                if reading.place not in self._next:
                    continue
                self._intakes[reading.place[0]].take(reading)
                self._next[reading.place] = reading.after
                if reading.offset >= self._starts[reading.place]:
                    topic = reading.place[0]
                    self._records[topic] = self._records.get(topic, 0) + 1

    def next(self, place: Place) -> Position | None:
        """Return where reading stands; None where the partition is not owned."""
        return self._next.get(place)

    def read(self, place: Place) -> Position | None:
        """Return the position of all that was counted; None: nothing since the partition was assigned."""
        with self._lock:
            position = self._next.get(place)
            return None if position is None or position.offset <= self._starts[place] else position

    def settle(self, place: Place) -> None:
        """Let go of a partition whose position was committed: what was read of it is still shown here."""
        with self._lock:
            self._totals.settle(place)
            self._forget(place)

    def discard(self, place: Place) -> Position | None:
        """Let go of a partition that somebody reads from its committed offset on; see `Totals.discard`."""
        with self._lock:
            self._forget(place)
            return self._totals.discard(place)

    def show(self) -> Shown:
        """Return what to show to a scrape now."""
        with self._lock:
            return self._with(dict(self._totals.show()))

    def look(self) -> Shown:
        """Return all that was read, for a person: scrapes are shown the same as if nobody had looked."""
        with self._lock:
            return self._with(self._totals.look())

    def _with(self, series: Series) -> Shown:
        samples = self._samples
        return Shown(
            series,
            tuple(self._statistics.producers()),
            dict(self._statistics.results),
            {(t, why): n for t, each in self._intakes.items() for why, n in each.unreadable.items()},
            dict(self._records),
            dict(self._overflow),
            self._statistics.forgotten,
            dict(self._totals.positions),
            {} if samples is None else dict(samples.results),
            {} if samples is None else samples.observations(),
            {} if samples is None else samples.exemplars(),
        )

    def _forget(self, place: Place) -> None:
        self._intakes[place[0]].unassign(place)
        self._next.pop(place, None)
        self._starts.pop(place, None)
