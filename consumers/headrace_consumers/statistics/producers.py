"""What each producer process last said of itself, so that of a new record only the increase counts, and once. Pure.

    remember(record)  a record that somebody counted before: only where counting goes on
    take(record)      a new one -> the increase since the newest before, and whether that is late

A producer is (instance, started_at_ms). Its records are cumulative, so the one with the largest sequence says all: lost
ones lose nothing, repeated and overtaken ones add nothing. A producer of which nothing is known is new, and all that it
says is an increase, only if it began after everything that was ever counted and is known no more; else its record is
adopted as the place from which counting goes on. So at worst a little is left out; nothing counts twice.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from headrace_consumers.statistics.series import Series, ledger_terms
from headrace_schemas import Statistics

__all__ = ["LATE_MS", "MAX_PRODUCERS", "Increase", "Producer", "Producers", "Result"]

LATE_MS: Final = 5 * 60_000
"""An increase that spans more than this, or is read so long after it was written, belongs to no moment."""
ANCIENT_MS: Final = 24 * 3_600_000
"""A record that was written to Kafka so long after it was made is a copy of an old one, whatever clock its host has."""
MAX_PRODUCERS: Final = 10_000

_Id: TypeAlias = tuple[str, int]


class Result(StrEnum):
    """What became of a record."""

    counted = "counted"
    late = "late"
    repeated = "repeated"
    adopted = "adopted"


@dataclass(frozen=True, slots=True)
class Increase:
    """What a record adds.

    Attributes:
        result: how.
        series: by how much each of its series grew; empty where nothing counts.
    """

    result: Result
    series: Series


@dataclass(frozen=True, slots=True)
class Producer:
    """What is known of a producer: its newest record.

    Attributes:
        instance: its name.
        service: where it runs.
        environment: likewise.
        sequence: of the record.
        timestamp_ms: when it made it, by its own clock.
        appended_ms: when it was written to Kafka.
        is_last: it said that it ends.
        terms: its loss ledger.
        series: all that it counted.
        spool_bytes: what it has on disk.
    """

    instance: str
    service: str
    environment: str
    sequence: int
    timestamp_ms: int
    appended_ms: int
    is_last: bool
    terms: dict[str, int]
    series: Series
    spool_bytes: int

    @property
    def imbalance(self) -> int:
        """What the ledger's terms lack of adding up."""
        terms = self.terms
        ended = terms["delivered"] + terms["spooled"] + terms["in_flight"] + terms["dropped"]
        return terms["sampled"] + terms["adopted"] - ended


class Producers:
    """The producers of one partition.

    Args:
        complete_since_ms: of a producer that began later, every record is read here; None: later than the first
            record read.
        limit: how many are remembered.

    Attributes:
        forgotten: how many were forgotten to keep the limit.
    """

    def __init__(self, complete_since_ms: int | None = None, limit: int = MAX_PRODUCERS) -> None:
        self._complete_since_ms = complete_since_ms
        self.forgotten = 0
        self._limit = limit
        self._forgotten_until_ms = -1
        self._known: OrderedDict[_Id, Producer] = OrderedDict()

    def __iter__(self) -> Iterator[Producer]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def remember(self, record: Statistics, series: Series, appended_ms: int) -> None:
        """Take in a record that was counted before."""
        self._begin(appended_ms)
        known = self._known.get(_id_of(record))
        if known is None or record["sequence"] > known.sequence:
            self._enter(record, series, appended_ms)

    def take(self, record: Statistics, series: Series, appended_ms: int, now_ms: int) -> Increase:
        """Take in a record and return what it adds.

        Args:
            record: as decoded.
            series: its totals.
            appended_ms: when it was written to Kafka, Unix time.
            now_ms: Unix time.
        """
        self._begin(appended_ms)
        known = self._known.get(_id_of(record))
        if known is not None and record["sequence"] <= known.sequence:
            return Increase(Result.repeated, {})
        is_new = known is None and self._is_new(record, appended_ms)
        self._enter(record, series, appended_ms)
        if known is None and not is_new:
            return Increase(Result.adopted, {})
        is_late = now_ms - appended_ms > LATE_MS or _span_ms(known, record) > LATE_MS
        return Increase(Result.late if is_late else Result.counted, _grown(series, known.series if known else {}))

    def _begin(self, appended_ms: int) -> None:
        if self._complete_since_ms is None:
            self._complete_since_ms = appended_ms

    def _is_new(self, record: Statistics, appended_ms: int) -> bool:
        if record["started_at_ms"] <= self._forgotten_until_ms or appended_ms - record["timestamp_ms"] > ANCIENT_MS:
            return False
        # A first record is one, however far behind its host's clock is.
        return record["sequence"] == 1 or record["started_at_ms"] >= (self._complete_since_ms or 0)

    def _enter(self, record: Statistics, series: Series, appended_ms: int) -> None:
        key = _id_of(record)
        self._known[key] = Producer(
            instance=record["instance"],
            service=record["service"],
            environment=record["environment"],
            sequence=record["sequence"],
            timestamp_ms=record["timestamp_ms"],
            appended_ms=appended_ms,
            is_last=record["is_last"],
            terms=ledger_terms(record),
            series=series,
            spool_bytes=record["spool_bytes"],
        )
        self._known.move_to_end(key)
        while len(self._known) > self._limit:
            (_, started_at_ms), _ = self._known.popitem(last=False)
            self._forgotten_until_ms = max(self._forgotten_until_ms, started_at_ms)
            self.forgotten += 1


def _id_of(record: Statistics) -> _Id:
    return record["instance"], record["started_at_ms"]


def _span_ms(known: Producer | None, record: Statistics) -> int:
    """Return how long the increase took, by the producer's own clock."""
    if known is not None:
        return record["timestamp_ms"] - known.timestamp_ms
    # A first record is made soon after the first call, however long the process was idle before.
    return 0 if record["sequence"] == 1 else record["timestamp_ms"] - record["started_at_ms"]


def _grown(series: Series, before: Series) -> Series:
    """Return by how much each series grew; only those that did. Nothing shrinks: see `Producers`."""
    grown: Series = {}
    for key, vector in series.items():
        old = before.get(key)
        if old is None:
            if any(vector):
                grown[key] = vector
        elif old != vector:
            grown[key] = [max(0, new - was) for new, was in zip(vector, old, strict=True)]
    return grown
