"""Whether this topic may go on into this table: asked at every start, and answered from what the table remembers.

unknown topic          -> remembered: id, partitions, and where each partition began
another topic id       -> refused; or, with --accept-gap, remembered in place of the old one, whose end is a gap
other partitions       -> refused: keys have moved
oldest offsets gone    -> refused; or, with --accept-gap, passed over and remembered as a gap
Kafka has lost its end -> refused
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from headrace_consumers.dataset.delta.known_topics import Gap, KnownTopic, KnownTopics
from headrace_consumers.dataset.delta.moves import Move, app_id
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import Fenced, OtherTopicError
from headrace_consumers.dataset.kafka.identity import (
    Missing,
    insist_on_ends,
    insist_on_partitions,
    insist_on_topic,
    missing,
    offsets_gone,
)
from headrace_consumers.dataset.kafka.source import Source

__all__ = ["Offsets", "admit"]

log = structlog.get_logger("headrace.dataset")


class Offsets(Protocol):
    """What Kafka holds of a topic."""

    def oldest(self, source: Source) -> dict[int, int]:
        """Return partition -> the oldest offset."""
        ...

    def ends(self, source: Source) -> dict[int, int]:
        """Return partition -> the offset that the next message will get."""
        ...


def admit(
    source: Source, table: InteractionTable, offsets: Offsets, *, accept_gap: bool, now: Callable[[], datetime]
) -> KnownTopic:
    """Return what the table remembers of the topic, so that it can be read; else refuse it.

    Args:
        source: the topic as it is.
        table: what it knows is read, and written.
        offsets: asked for the topic's.
        accept_gap: give up what Kafka no longer holds.
        now: this process's clock.

    Raises:
        OtherTopicError, OffsetsGoneError: unless `accept_gap`.
        SourceError: the topic's partitions have changed, Kafka has lost its end, or does not answer.
        TableError: the table cannot be read or written.
    """
    oldest = offsets.oldest(source)
    at = now().isoformat(timespec="seconds")

    def introduce(topics: KnownTopics) -> KnownTopics:
        known = topics.topics.get(source.topic)
        fresh = KnownTopic(source.topic_id, source.partition_count, tuple(oldest[p] for p in sorted(oldest)))
        if known is None:
            return topics.with_topic(source.topic, fresh)
        try:
            insist_on_topic(source, known, table.path)
        except OtherTopicError:
            if not accept_gap:
                raise
            return topics.with_gaps(*_ends_of(known, source.topic, table, at)).with_topic(source.topic, fresh)
        return topics

    before = table.properties.known_topics().topics.get(source.topic)
    now_known = table.properties.remember(introduce).topics[source.topic]
    if before is None:
        log.info(
            "topic remembered in the table",
            topic=source.topic,
            topic_id=now_known.topic_id,
            partitions=now_known.partitions,
        )
    elif before.topic_id != now_known.topic_id:
        log.warning(
            "gap accepted: another topic", topic=source.topic, topic_id=now_known.topic_id, former=before.topic_id
        )
    insist_on_partitions(source, now_known.partitions, table.path)
    positions = _positions(source, table)
    insist_on_ends(source, positions, offsets.ends(source), table.path)
    starts = {**dict(enumerate(now_known.begins)), **positions}
    if gone := missing(starts, oldest):
        if not accept_gap:
            raise offsets_gone(source.topic, gone, table.path)
        _pass_over(source, table, gone, at)
    return now_known


def _pass_over(source: Source, table: InteractionTable, gone: Sequence[Missing], at: str) -> None:
    """Remember the gap, then move behind it; killed in between, the next start finds the same gap again."""
    gaps = [Gap(source.topic, source.topic_id, each.partition, each.begin, each.end, at) for each in gone]
    table.properties.remember(lambda topics: topics.with_gaps(*gaps))
    positions = _positions(source, table)
    try:
        table.commit(
            [],
            [Move(app_id(source.topic_id, each.partition), positions.get(each.partition), each.end) for each in gone],
        )
    except Fenced as fenced:  # another member was faster; if it was not so far, Kafka says so at the first read
        log.warning("gap passed over by another member", reason=str(fenced))
    for each in gone:
        log.warning(
            "gap accepted: offsets gone",
            topic=source.topic,
            partition=each.partition,
            from_offset=each.begin,
            to_offset=each.end,
        )


def _positions(source: Source, table: InteractionTable) -> dict[int, int]:
    found = {p: table.position(app_id(source.topic_id, p)) for p in range(source.partition_count)}
    return {partition: position for partition, position in found.items() if position is not None}


def _ends_of(known: KnownTopic, topic: str, table: InteractionTable, at: str) -> list[Gap]:
    ended = {p: table.position(app_id(known.topic_id, p)) for p in range(known.partitions)}
    return [
        Gap(topic, known.topic_id, partition, begin if ended[partition] is None else ended[partition] or 0, None, at)
        for partition, begin in enumerate(known.begins)
    ]
