"""Following one record: its row, its message, every message of the same key, and what became of each."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from headrace.config import Config
from headrace.errors import ConfigError
from headrace_consumers.dataset.delta.facts import read_facts
from headrace_consumers.dataset.delta.moves import app_id
from headrace_consumers.dataset.errors import SourceError, TableError
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.kafka.admin import TopicAdmin
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.records.decode import Decoded, Unreadable
from headrace_consumers.fates.fate import Fate, Outcome, Reading, fate_of, reading_of
from headrace_consumers.fates.reasons import detail_of
from headrace_consumers.fates.rows import Row, rows_of_id, rows_of_keys
from headrace_consumers.fates.table_at_hand import TableAtHand
from headrace_consumers.fates.tail import Tail
from headrace_consumers.topics import TopicError
from headrace_schemas.keys import partition_of

__all__ = ["Commit", "Traced", "Track", "trace"]

_KEY_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that took an offset in: its version, and when, Unix time in milliseconds."""

    version: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Traced:
    """One record.

    Attributes:
        topic: where it is, or was.
        partition: see there.
        offset: see there.
        append_time_ms: Kafka's clock.
        in_kafka: whether Kafka still holds it.
        event_id: of its record; empty where that cannot be read.
        request_id: likewise.
        signature: likewise.
        key: the deduplication key.
        fate: what became of it.
        detail: why, in a few words.
        commit: the commit that took it in; None: none of those that are told.
    """

    topic: str
    partition: int
    offset: int
    append_time_ms: int | None
    in_kafka: bool
    event_id: str
    request_id: str
    signature: str
    key: str
    fate: Fate
    detail: str
    commit: Commit | None


@dataclass(slots=True)
class Track:
    """All that was found.

    Attributes:
        records: by topic, partition and offset.
        looked_at: messages of the topic that were looked at; None: Kafka was not.
        told_from: the oldest commit that was looked at; None: all were.
        notes: what could not be looked at, and why.
    """

    records: list[Traced] = field(default_factory=list)
    looked_at: int | None = None
    told_from: Commit | None = None
    notes: list[str] = field(default_factory=list)


def trace(config: Config, id_: str, *, last: int, commits: int = 10_000) -> Track:
    """Return the records that an id names, and the copies of their keys.

    Args:
        config: the whole configuration.
        id_: an event id, a request id or a deduplication key.
        last: look at so many of the newest messages of the topic, beside the rows' own.
        commits: look at so many of the table's newest commits.

    Raises:
        TableError: the table cannot be read.
        HeadraceError: the configuration cannot be used.
    """
    table = TableAtHand(config)
    track = Track()
    if table.table is None:
        track.notes.append(f"{table.path}: no Delta table here yet; check dataset.path")
    rows = _found(table, lambda: [] if table.snapshot is None else rows_of_id(table.snapshot, id_))
    try:
        topic_id, messages, track.looked_at = _messages(config, id_, rows, last)
    except (TopicError, SourceError, ConfigError) as error:
        track.notes.append(str(error))
        topic_id, messages = "", []
    filter_ = Filter(config.filters)
    suppression = table.suppression
    readings = [reading_of(message, decoded, filter_, suppression) for message, decoded in messages]
    snapshot = table.snapshot
    of_keys = _found(table, lambda: {} if snapshot is None else rows_of_keys(snapshot, {each.key for each in readings}))
    told = _Commits(table, commits)
    for reading, (_, decoded) in zip(readings, messages, strict=True):
        place = app_id(topic_id, reading.partition)
        fate = fate_of(reading, of_keys.get(reading.key), topic_id, table.position(place))
        track.records.append(_traced(config, reading, decoded, fate, told.of(place, reading.offset)))
    seen = {(each.partition, each.offset) for each in readings}
    for row in rows:
        if row.topic_id != topic_id or (row.partition, row.offset) not in seen:
            track.records.append(_of_row(row, told.of(app_id(row.topic_id, row.partition), row.offset)))
    track.told_from = told.told_from
    track.records.sort(key=lambda each: (each.topic, each.partition, each.offset))
    return track


def _messages(
    config: Config, id_: str, rows: Iterable[Row], last: int
) -> tuple[str, list[tuple[Message, Decoded | Unreadable]], int]:
    """Return the topic's id, the messages that the id or one of the rows' keys names, and how many were looked at."""
    topic_id = TopicAdmin(config).describe().topic_id
    tail = Tail(config, last)
    tails = [tail]
    if len(id_) == _KEY_LENGTH:  # a key: all that has it is in one partition, but for what is misplaced
        home = partition_of(id_.encode(), tail.partition_count)
        tails = [Tail(config, last, [home]), Tail(config, last, [other for other in tail.oldest if other != home])]
    keys = {id_.encode(), *(row.dedup_key.encode() for row in rows)}
    found: dict[tuple[int, int], tuple[Message, Decoded | Unreadable]] = {}
    looked_at = 0
    for message, decoded in itertools.chain.from_iterable(tails):
        looked_at += 1
        if message.key in keys or (isinstance(decoded, Decoded) and _is_named(decoded, id_)):
            found[message.partition, message.offset] = (message, decoded)
    for row in rows:
        if row.topic_id == topic_id and (row.partition, row.offset) not in found:
            own = tail.at(row.partition, row.offset)
            if own is not None:
                found[row.partition, row.offset] = own
    return topic_id, list(found.values()), looked_at


def _is_named(decoded: Decoded, id_: str) -> bool:
    return id_ in {decoded.record["event_id"], decoded.record["request_id"]}


def _traced(
    config: Config, reading: Reading, decoded: Decoded | Unreadable, fate: Fate, commit: Commit | None
) -> Traced:
    record = decoded.record if isinstance(decoded, Decoded) else None
    if fate.outcome is Outcome.unreadable and isinstance(decoded, Unreadable):
        detail = decoded.detail
    elif fate.outcome is Outcome.rejected and isinstance(decoded, Decoded):
        detail = detail_of(fate.reason or "", decoded, config.filters)
    else:
        detail = ""
    return Traced(
        config.kafka.topics.interactions,
        reading.partition,
        reading.offset,
        reading.append_time_ms,
        in_kafka=True,
        event_id="" if record is None else record["event_id"],
        request_id="" if record is None else record["request_id"],
        signature=reading.signature,
        key=reading.key,
        fate=fate,
        detail=detail,
        commit=None if fate.outcome is Outcome.waiting else commit,
    )


def _of_row(row: Row, commit: Commit | None) -> Traced:
    return Traced(
        row.topic,
        row.partition,
        row.offset,
        row.ingested_at_ms,
        in_kafka=False,
        event_id=row.event_id,
        request_id=row.request_id,
        signature=row.signature,
        key=row.dedup_key,
        fate=Fate(Outcome.row, row=row),
        detail="",
        commit=commit,
    )


class _Commits:
    """Which commit took an offset in, as the table's log tells."""

    def __init__(self, table: TableAtHand, most: int) -> None:
        self._table = table
        self._most = most
        self._moves: list[tuple[str, int, int, Commit]] | None = None
        self.told_from: Commit | None = None

    def of(self, place: str, offset: int) -> Commit | None:
        if self._moves is None:
            self._moves = []
            for entry in self._table.table.history(self._most) if self._table.table is not None else ():
                facts = read_facts(entry)
                commit = Commit(int(entry.get("version", 0)), int(entry.get("timestamp", 0)))
                self.told_from = commit if commit.version else None  # the newest come first
                for app, (start, target) in facts.moves.items() if facts is not None else ():
                    self._moves.append((app, start or 0, target, commit))
        return next((c for app, start, target, c in self._moves if app == place and start <= offset < target), None)


def _found(table: TableAtHand, look: Callable[[], Any]) -> Any:
    try:
        return look()
    except (pa.ArrowException, OSError) as error:
        raise TableError(
            f"{table.path}: cannot read the table ({type(error).__name__}); headrace dataset verify tells what is wrong"
        ) from error
