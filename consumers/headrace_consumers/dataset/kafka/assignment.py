"""The partitions that the group gives and takes, and whether they are read: the consumer's side of a rebalance."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from confluent_kafka import KafkaException, TopicPartition

from headrace_consumers.dataset.delta.known_topics import KnownTopic
from headrace_consumers.dataset.delta.moves import app_id
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.kafka.partitions import Owned, OwnedPartitions
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.status import PartitionStatus

__all__ = ["Assignment"]

log = structlog.get_logger("headrace.dataset")


class Assignment:
    """What a member owns, and how it is read.

    Args:
        consumer: a `confluent_kafka.Consumer`.
        source: the topic.
        known: what the table remembers of it; a partition without a position begins where it says.
        table: holds the positions.
        note_rebalance: called when the group gives partitions, maybe none, and when it takes some.

    Attributes:
        owned: the partitions and what is buffered of them.
        has_joined: whether the group has given an assignment, maybe an empty one.
        is_outgrown: whether the group gave a partition that the topic did not have at the start.
        is_paused: whether all of it is paused, until what is buffered is committed.
    """

    def __init__(
        self,
        consumer: Any,
        source: Source,
        known: KnownTopic,
        table: InteractionTable,
        *,
        note_rebalance: Callable[[], object] = lambda: None,
    ) -> None:
        self._consumer = consumer
        self._source = source
        self._known = known
        self._table = table
        self._note_rebalance = note_rebalance
        self.owned = OwnedPartitions()
        self.has_joined = False
        self.is_outgrown = False
        self.is_paused = False

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Own further partitions, paused, from the table's positions on."""
        self._note_rebalance()
        self._table.refresh()
        started = []
        for assigned in partitions:
            if assigned.partition >= self._source.partition_count:  # added while this runs: the watch says it in full
                self.is_outgrown = True
                continue
            position = self._table.position(app_id(self._source.topic_id, assigned.partition))
            self.owned.assign(assigned.partition, position)
            offset = self._known.begins[assigned.partition] if position is None else position
            started.append(TopicPartition(assigned.topic, assigned.partition, offset))
        self._consumer.incremental_assign(started)  # with the offsets in it: a later seek would be too late
        self._consumer.pause(started)
        self.has_joined = True
        log.info("assigned", partitions=[p.partition for p in started], offsets=[p.offset for p in started])

    def unassign(self, partitions: Sequence[TopicPartition]) -> None:
        """Own these no longer; what is buffered of them is discarded."""
        self._note_rebalance()
        self.owned.drop([p.partition for p in partitions])
        self._consumer.incremental_unassign(list(partitions))
        log.info("unassigned", partitions=[p.partition for p in partitions])

    def ready(self, partitions: Sequence[int]) -> None:
        """Begin to read these: the seen-set covers them."""
        self.owned.ready(partitions)
        if not self.is_paused:
            self._consumer.resume(self._places(partitions))

    def pause(self) -> None:
        """Read nothing more until `resume`; what the client has fetched ahead is fetched again then."""
        if not self.is_paused:
            self.is_paused = True
            self._consumer.pause(self._places(self.owned))
            log.info("paused: no room for more before a commit", records=self.owned.buffered_records)

    def resume(self) -> None:
        """Read on."""
        if self.is_paused:
            self.is_paused = False
            self._consumer.resume(self._places([p for p, owned in self.owned.items() if owned.is_ready]))
            log.info("resumed")

    def status(self) -> dict[int, PartitionStatus]:
        """Return how each partition stands."""
        return {p: self._status(p, owned) for p, owned in self.owned.items()}

    def _status(self, partition: int, owned: Owned) -> PartitionStatus:
        buffered = owned.buffered
        lag: int | None = buffered
        if not owned.is_at_end:
            end = self._end(partition)
            lag = None if end is None else max(0, end - owned.next_offset) + buffered
        return PartitionStatus(
            owned.start, owned.next_offset, buffered, lag, owned.is_ready, owned.has_caught_up, owned.waits_since_ms
        )

    def _end(self, partition: int) -> int | None:
        """Return the partition's end as the last fetch told it; asks nobody."""
        try:
            bounds = self._consumer.get_watermark_offsets(TopicPartition(self._source.topic, partition), cached=True)
        except KafkaException:
            return None
        return None if bounds is None or bounds[1] < 0 else int(bounds[1])

    def _places(self, partitions: Any) -> list[TopicPartition]:
        return [TopicPartition(self._source.topic, p) for p in partitions if p in self.owned]
