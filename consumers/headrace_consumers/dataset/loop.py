"""The consumer's loop: one thread that polls Kafka, buffers, and commits when a batch is due.

assigned -> paused -> seen-set brought forward, polling on -> resumed -> buffered -> committed -> ...
revoked  -> the batch is committed at once, or discarded; both are right
lost     -> discarded
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from headrace_consumers.dataset.catch_up import catch_up
from headrace_consumers.dataset.commit import Committer
from headrace_consumers.dataset.errors import DatasetError, Fenced, OffsetsGoneError, SourceError
from headrace_consumers.dataset.known_topics import KnownTopic
from headrace_consumers.dataset.message import Message
from headrace_consumers.dataset.messages import Messages
from headrace_consumers.dataset.pace import Pace
from headrace_consumers.dataset.partitions import OwnedPartitions
from headrace_consumers.dataset.placement import misplaced
from headrace_consumers.dataset.seen_set import SeenSet
from headrace_consumers.dataset.source import Source
from headrace_consumers.dataset.table import InteractionTable, app_id
from headrace_consumers.dataset.tally import Tally
from headrace_consumers.dataset.watch import TopicWatch
from headrace_consumers.deadletters import DeadLetterError

__all__ = ["BatchLimits", "Loop"]

log = structlog.get_logger("headrace.dataset")

POLL_S: Final = 0.2


class BatchLimits:
    """When a batch is due.

    Args:
        max_records: commit at this many records ...
        max_bytes: ... or bytes ...
        interval_s: ... or this long after the first of them.
    """

    def __init__(self, *, max_records: int, max_bytes: int, interval_s: float) -> None:
        self.max_records = max_records
        self.max_bytes = max_bytes
        self.interval_s = interval_s


class Loop:
    """Reads one topic into one table until it is stopped.

    Args:
        consumer: a `confluent_kafka.Consumer`, not subscribed.
        source: the topic.
        known: what the table remembers of it; a partition without a position begins where it says.
        topic_watch: looks now and then whether the topic is still the same.
        table: this member's handle on the table.
        seen: the keys in the table.
        make_committer: makes the committer, given what reports offsets to Kafka.
        limits: when a batch is due.
        tally: what was committed is added to it.
        clock: seconds, monotonic.
        on_progress: called with the tally so far after each poll.
    """

    def __init__(
        self,
        *,
        consumer: Any,
        source: Source,
        known: KnownTopic,
        topic_watch: TopicWatch,
        table: InteractionTable,
        seen: SeenSet,
        make_committer: Callable[[Callable[[Mapping[int, int]], None]], Committer],
        limits: BatchLimits,
        tally: Tally,
        clock: Callable[[], float],
        on_progress: Callable[[Tally], None],
    ) -> None:
        self._consumer = consumer
        self._source = source
        self._known = known
        self._topic_watch = topic_watch
        self._table = table
        self._seen = seen
        self._committer = make_committer(self._report_offsets)
        self._limits = limits
        self._clock = clock
        self._on_progress = on_progress
        self._owned = OwnedPartitions()
        self._pace = Pace()
        self._batch_began_at: float | None = None
        self._last_event_at = clock()
        self._has_joined = False
        self._is_outgrown = False
        self._has_warned_of_place = False
        self.tally = tally

    def run(self, stop: threading.Event, idle_exit_s: float | None = None) -> None:
        """Consume until `stop` is set, or nothing has come for `idle_exit_s`; then commit what is buffered and leave.

        Raises:
            Fenced: another member has moved a partition on; start anew from the table.
            OffsetsGoneError: Kafka holds other offsets than the table goes on with; admission says which.
            DatasetError, DeadLetterError: see there. What was not committed is read again next time.
        """
        self._consumer.subscribe(
            [self._source.topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        self._last_event_at = self._clock()
        try:
            while not stop.is_set():
                self._poll(self._consumer.consume(self._pace.records, POLL_S))
                self._topic_watch.look()
                self._bring_seen_set_forward(stop)
                if self._is_due():
                    self._commit()
                self._on_progress(self.tally)
                if idle_exit_s is not None and self._is_idle(idle_exit_s):
                    break
            self._commit()
        except BaseException:
            self._owned.drop(list(self._owned))  # or leaving the group would try the same batch again
            raise
        self._on_progress(self.tally)

    def _poll(self, messages: Sequence[Any]) -> None:
        if self._is_outgrown:  # asked here, since what a callback raises passes through librdkafka
            self._topic_watch.look_now()
        errors = [message for message in messages if message.error() is not None]
        for message in errors:
            self._on_error(message)
        polled = Messages.polled([message for message in messages if message.error() is None] if errors else messages)
        self._pace.note(polled)
        if self._owned.add(polled):
            self._last_event_at = self._clock()
            if self._batch_began_at is None:
                self._batch_began_at = self._last_event_at

    def _bring_seen_set_forward(self, stop: threading.Event) -> None:
        while partitions := self._owned.not_ready():
            source = self._source
            for _ in catch_up(self._table, self._seen, source.topic_id, source.partition_count, partitions):
                # Paused partitions deliver nothing; polling keeps the membership. A rebalance here adds to not_ready.
                self._poll(self._consumer.consume(self._pace.records, 0))
                if stop.is_set():
                    return
            self._owned.ready(partitions)
            size = self._seen.size
            log.info("seen-set brought forward", partitions=partitions, keys=size.keys, mb=size.memory_mb)
            self._consumer.resume([TopicPartition(source.topic, p) for p in partitions if p in self._owned])
            self._last_event_at = self._clock()
        self._seen.release_all_but(set(self._owned))  # not in a callback: it may fire in the midst of a catch-up

    def _commit(self) -> None:
        batch = self._owned.batch()
        if batch.messages:
            self._insist_on_places(batch.messages)
            self.tally.add(self._committer.commit(batch.messages, batch.starts))
            self._owned.committed(batch)
            self._last_event_at = self._clock()  # a slow commit is no idleness
        self._batch_began_at = None

    def _insist_on_places(self, messages: Sequence[Message]) -> None:
        """Refuse a batch that was written after partitions were added, before the broker was asked again."""
        stray = misplaced(messages, self._source.partition_count)
        if stray is None or self._has_warned_of_place:
            return
        self._topic_watch.look_now()
        self._has_warned_of_place = True
        log.warning(
            "a key in another partition than murmur2 puts it: copies may not meet; its writer must set "
            "partitioner=murmur2_random",
            topic=self._source.topic,
            partition=stray.partition,
            offset=stray.offset,
        )

    def _is_due(self) -> bool:
        if self._batch_began_at is None:
            return False
        return (
            self._owned.buffered_records >= self._limits.max_records
            or self._owned.buffered_bytes >= self._limits.max_bytes
            or self._clock() - self._batch_began_at >= self._limits.interval_s
        )

    def _is_idle(self, idle_exit_s: float) -> bool:
        if not self._has_joined:  # joining a group takes seconds
            return False
        return not self._owned.buffered_records and self._clock() - self._last_event_at >= idle_exit_s

    def _on_assign(self, consumer: Any, partitions: Sequence[TopicPartition]) -> None:
        self._table.refresh()
        started = []
        for assigned in partitions:
            if assigned.partition >= self._source.partition_count:  # added while this runs: the watch says it in full
                self._is_outgrown = True
                continue
            position = self._table.position(app_id(self._source.topic_id, assigned.partition))
            self._owned.assign(assigned.partition, position)
            offset = self._known.begins[assigned.partition] if position is None else position
            started.append(TopicPartition(assigned.topic, assigned.partition, offset))
        consumer.incremental_assign(started)  # with the offsets in it: a later seek would be too late
        consumer.pause(started)
        self._has_joined = True
        self._last_event_at = self._clock()
        log.info("assigned", partitions=[p.partition for p in started], offsets=[p.offset for p in started])

    def _on_revoke(self, consumer: Any, partitions: Sequence[TopicPartition]) -> None:
        try:
            self._commit()
        except (Fenced, DatasetError, DeadLetterError) as error:
            log.warning("batch discarded at revoke", reason=str(error))
        self._on_lost(consumer, partitions)

    def _on_lost(self, consumer: Any, partitions: Sequence[TopicPartition]) -> None:
        self._owned.drop([p.partition for p in partitions])
        consumer.incremental_unassign(list(partitions))
        log.info("unassigned", partitions=[p.partition for p in partitions])

    def _report_offsets(self, next_offsets: Mapping[int, int]) -> None:
        offsets = [TopicPartition(self._source.topic, partition, offset) for partition, offset in next_offsets.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:  # a progress report: the table has the truth
            log.warning("offsets not reported to Kafka", reason=error.args[0].str())

    def _on_error(self, message: Any) -> None:
        error = message.error()
        if error.code() in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:  # noqa: SLF001
            raise OffsetsGoneError(f"{message.topic()}/{message.partition()}: {error.str()}")
        if error.fatal() or error.code() in {
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
            KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        }:
            raise SourceError(f"{self._source.topic}: {error.str()}")
        log.warning("Kafka", reason=error.str())
