"""The loss ledger of each producer, as it last told it on the statistics topic: of the topic's newest messages."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from headrace_consumers.topics.reading import TopicReader
from headrace_consumers.ui.reading.broker import insist_on_broker
from headrace_consumers.ui.sources import Sources
from headrace_schemas import DecodeError, Statistics, statistics_codec

__all__ = ["NEWEST", "WAIT_S", "Ledger", "Ledgers", "ledger_of", "ledgers", "newest_of"]

NEWEST: Final = 20_000
"""So many messages of a topic are looked at."""

WAIT_S: Final = 3.0
"""So long a broker may be silent before the page says so."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """A producer's.

    Attributes:
        instance: its process.
        service: of the process.
        environment: likewise.
        release: of Headrace there.
        started_at_ms: when it began, Unix time; so is the next.
        told_at_ms: when it told this.
        is_last: whether it has ended.
        terms: sampled, adopted, delivered, spooled, in_flight, dropped: records.
        dropped: reason -> records lost.
        spool_bytes: on its disk.
        calls: all that it counted.
    """

    instance: str
    service: str
    environment: str
    release: str
    started_at_ms: int
    told_at_ms: int
    is_last: bool
    terms: dict[str, int]
    dropped: dict[str, int]
    spool_bytes: int
    calls: int

    @property
    def imbalance(self) -> int:
        """Sampled + adopted - delivered - spooled - in_flight - dropped; anything but 0 is a defect of Headrace."""
        of = self.terms
        return of["sampled"] + of["adopted"] - of["delivered"] - of["spooled"] - of["in_flight"] - of["dropped"]


@dataclass(frozen=True, slots=True)
class Ledgers:
    """What the statistics topic tells.

    Attributes:
        producers: who told last first.
        looked_at: messages.
        unreadable: of these.
        is_all: whether the topic holds no more.
    """

    producers: list[Ledger]
    looked_at: int
    unreadable: int
    is_all: bool

    def total(self, term: str) -> int:
        """Return a term's sum over the producers."""
        return sum(each.terms[term] for each in self.producers)


def ledgers(sources: Sources) -> Ledgers:
    """Return the producers' ledgers.

    Raises:
        TopicError: the topic cannot be read.
    """
    insist_on_broker(sources)
    topic = sources.config.kafka.topics.statistics
    reader = TopicReader(sources.config, topic, WAIT_S)
    bounds = reader.bounds()

    def made() -> Ledgers:
        starts, is_all = newest_of(bounds)
        values = [message.value() for message in reader.read(starts=starts)]
        found, unreadable = _latest(values)
        ordered = sorted(found, key=lambda each: (-each["timestamp_ms"], each["instance"]))
        return Ledgers([ledger_of(each) for each in ordered], len(values), unreadable, is_all)

    return sources.kept(("ledgers", topic), tuple(sorted(bounds.items())), made)


def newest_of(bounds: dict[int, tuple[int, int]], most: int = NEWEST) -> tuple[dict[int, int], bool]:
    """Return where to begin in each partition to see so many of the newest messages, and whether those are all."""
    each = -(-most // max(1, len(bounds)))
    return {p: max(low, high - each) for p, (low, high) in bounds.items()}, all(
        high - low <= each for low, high in bounds.values()
    )


def ledger_of(record: Statistics) -> Ledger:
    """Return the ledger that a record tells."""
    terms = {
        "sampled": record["sampled"],
        "adopted": record["adopted"],
        "delivered": record["delivered"],
        "spooled": record["spooled"],
        "in_flight": record["in_flight"],
        "dropped": sum(each["count"] for each in record["dropped"]),
    }
    return Ledger(
        instance=record["instance"],
        service=record["service"],
        environment=record["environment"],
        release=record["release"],
        started_at_ms=record["started_at_ms"],
        told_at_ms=record["timestamp_ms"],
        is_last=record["is_last"],
        terms=terms,
        dropped={each["name"]: each["count"] for each in record["dropped"] if each["count"]},
        spool_bytes=record["spool_bytes"],
        calls=sum(each["calls"] for each in record["calls"]),
    )


def silent_s(ledger: Ledger, now_s: float | None = None) -> float:
    """Return for how long a producer has told nothing, by both clocks."""
    return (time.time() if now_s is None else now_s) - ledger.told_at_ms / 1000


def _latest(values: Iterable[bytes | None]) -> tuple[list[Statistics], int]:
    latest: dict[tuple[str, int], Statistics] = {}
    unreadable = 0
    codec = statistics_codec()
    for value in values:
        try:
            record = codec.decode(value or b"")
        except DecodeError:
            unreadable += 1
            continue
        key = record["instance"], record["started_at_ms"]
        if key not in latest or latest[key]["sequence"] < record["sequence"]:
            latest[key] = record
    return list(latest.values()), unreadable
