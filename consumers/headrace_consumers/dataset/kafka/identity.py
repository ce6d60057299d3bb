"""Whether a topic is still the one that a table was built from, and still holds what the table has not read; pure.

Each refusal is one line: what differs, what is lost and what is not, what to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace_consumers.dataset.delta.known_topics import KnownTopic
from headrace_consumers.dataset.errors import OffsetsGoneError, OtherTopicError, SourceError
from headrace_consumers.dataset.kafka.source import Source

__all__ = ["Missing", "insist_on_ends", "insist_on_partitions", "insist_on_topic", "missing", "offsets_gone"]


@dataclass(frozen=True, slots=True)
class Missing:
    """Offsets that the table has not read and Kafka no longer holds: from `begin`, below `end`."""

    partition: int
    begin: int
    end: int


def insist_on_topic(found: Source, known: KnownTopic, table: Path | str) -> None:
    """Refuse a topic that only has the name of the one that the table was built from.

    Raises:
        OtherTopicError: it is another.
    """
    if found.topic_id != known.topic_id:
        raise OtherTopicError(
            f"{found.topic}: this is not the topic that {table} was built from (its id is {found.topic_id}, and was "
            f"{known.topic_id}): it was deleted and created again, or this is another cluster. All that was read is in "
            "the table. If the address is right (kafka.bootstrap_servers), start once with --accept-gap: that reads "
            "the new topic from its beginning, gives up what the old one still held, and records both in the table"
        )


def insist_on_partitions(found: Source, partitions: int, table: Path | str) -> None:
    """Refuse a topic whose partitions are not as many as they were.

    Raises:
        SourceError: they are not.
    """
    if found.partition_count != partitions:
        moved = "keys have moved, so that copies would no longer meet. " if found.purpose == "interactions" else ""
        raise SourceError(
            f"{found.topic}: it has {found.partition_count} partitions, and {table} was built with {partitions}: "
            f"{moved}Nothing is lost: what was read is in the table, and the rest in Kafka. Create another topic with "
            f"as many partitions as you need, let the producers write there and set kafka.topics.{found.purpose} to "
            'it, for the same table; see "The topic changes" in docs/operations.md'
        )


def insist_on_ends(found: Source, positions: Mapping[int, int], ends: Mapping[int, int], table: Path | str) -> None:
    """Refuse a topic that ends before what the table has read of it.

    Args:
        found: the topic.
        positions: partition -> the table's position.
        ends: partition -> the next offset that Kafka will give.
        table: its path.

    Raises:
        SourceError: Kafka has lost the end of a partition.
    """
    cut = [(p, ends[p], position) for p, position in sorted(positions.items()) if p in ends and ends[p] < position]
    if cut:
        named = ", ".join(
            f"{found.topic}/{p} ends at {end}, and was read to {position}" for p, end, position in cut[:3]
        )
        raise SourceError(
            f"{named}: Kafka has lost the end of the topic (an unclean leader election, or an older copy of its disk), "
            f"and gives its offsets anew. All that was read is in {table}. Records that get such an offset would be "
            f"passed over: let the producers write to another topic, and set kafka.topics.{found.purpose} to it"
        )


def missing(starts: Mapping[int, int], oldest: Mapping[int, int]) -> list[Missing]:
    """Return what lies between where reading has to begin and the oldest offset that Kafka holds.

    Args:
        starts: partition -> the first offset that the table has not read.
        oldest: partition -> the oldest offset in Kafka.
    """
    return [Missing(p, start, oldest[p]) for p, start in sorted(starts.items()) if oldest.get(p, start) > start]


def offsets_gone(topic: str, gone: Sequence[Missing], table: Path | str) -> OffsetsGoneError:
    """Return the refusal to go on behind a gap."""
    named = ", ".join(f"{topic}/{each.partition} from {each.begin} to {each.end - 1}" for each in gone[:3])
    more = f" and {len(gone) - 3} more partitions" if len(gone) > 3 else ""  # noqa: PLR2004  # as many as are named
    return OffsetsGoneError(
        f"Kafka no longer holds what the table has not read: {named}{more}. Its retention has removed these records, "
        f"and they are lost; all before them is in {table}. Raise retention.ms; to go on behind the gap, start once "
        "with --accept-gap, which records it in the table"
    )
