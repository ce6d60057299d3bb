"""What became of one message, as the consumer decides it; pure."""

from dataclasses import dataclass
from enum import StrEnum

from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.placement import MISPLACED
from headrace_consumers.dataset.judging.suppression import NOBODY, Suppression
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.records.decode import Decoded, Unreadable
from headrace_consumers.fates.rows import Row

__all__ = ["Fate", "Outcome", "Reading", "fate_of", "reading_of"]


class Outcome(StrEnum):
    """What may become of a message."""

    row = "row"
    copy = "copy"
    rejected = "rejected"
    outcome = "outcome"
    unreadable = "unreadable"
    waiting = "waiting"
    absent = "absent"


@dataclass(frozen=True, slots=True)
class Reading:
    """A message, decoded and judged.

    Attributes:
        partition: where it is.
        offset: there.
        append_time_ms: Kafka's clock; None: Kafka gave none.
        key: the message key.
        unreadable: why it cannot be read; None: it can.
        signature: its record's; empty where that cannot be read.
        capture_level: likewise.
        rejected: why the filter rejects it; None: it passes.
    """

    partition: int
    offset: int
    append_time_ms: int | None
    key: str
    unreadable: Unreadable | None
    signature: str = ""
    capture_level: str = ""
    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a message.

    Attributes:
        outcome: row: it is one; copy: of a row; rejected, outcome (without payload), unreadable (a dead letter);
            waiting: not read yet; absent: it passes now and is no row all the same.
        reason: of a rejected or unreadable one.
        row: it, or what it is a copy of.
    """

    outcome: Outcome
    reason: str | None = None
    row: Row | None = None


def reading_of(
    message: Message, decoded: Decoded | Unreadable, filter_: Filter, suppression: Suppression = NOBODY
) -> Reading:
    """Return a message as far as its fate depends on it; no payload.

    Raises:
        OwnCallableError: a filter or scorer of the user's own failed.
    """
    place = (message.partition, message.offset, message.append_time_ms)
    key = (message.key or b"").decode("utf-8", "replace")
    if isinstance(decoded, Unreadable):
        return Reading(*place, key, decoded)
    record = decoded.record
    full = record["capture_level"] == "full"
    if suppression.concerns(record["subject_id"], record["request_id"]):
        return Reading(*place, key, None, record["signature"], record["capture_level"], "suppressed")
    rejected = filter_.judge(record, decoded.output).reason if full else None
    return Reading(*place, key, None, record["signature"], record["capture_level"], rejected)


def fate_of(reading: Reading, row: Row | None, topic_id: str, position: int | None) -> Fate:
    """Return what became of a message.

    Args:
        reading: the message.
        row: the table's row of its key.
        topic_id: of the topic that it is in.
        position: the partition's next offset in the table; None: nothing is read yet.
    """
    if row is not None:
        if (row.topic_id, row.partition, row.offset) == (topic_id, reading.partition, reading.offset):
            return Fate(Outcome.row, row=row)
        # The key is known before a message is decoded: a copy is one whatever it holds, but not in another partition.
        is_later = (row.topic_id, row.partition) == (topic_id, reading.partition) and row.offset > reading.offset
        is_misplaced = reading.unreadable is not None and reading.unreadable.reason == MISPLACED
        if not (is_later or is_misplaced):
            return Fate(Outcome.copy, row=row)
    if position is None or reading.offset >= position:
        return Fate(Outcome.waiting)
    if reading.unreadable is not None:
        return Fate(Outcome.unreadable, reading.unreadable.reason)
    if reading.capture_level == "outcome":
        return Fate(Outcome.outcome)
    if reading.rejected is not None:
        return Fate(Outcome.rejected, reading.rejected)
    return Fate(Outcome.absent)
