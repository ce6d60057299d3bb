"""The consumer's loop: one thread that polls Kafka, buffers, and commits when a batch is due.

assigned -> paused -> seen-set brought forward, a step a turn -> resumed -> buffered -> committed -> ...
failed   -> the batch is kept and tried again, reading paused when there is no room for more, polling on
revoked  -> the batch is committed at once, or discarded; both are right
lost     -> discarded
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from headrace_consumers.dataset.batches import BatchCommitter, Batches, BatchLimits
from headrace_consumers.dataset.commit_interval import commit_interval_s, members_of
from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_consumers.dataset.errors import DatasetError, Fenced, Stopped
from headrace_consumers.dataset.kafka.assignment import Assignment
from headrace_consumers.dataset.kafka.kafka_errors import ClientErrors, refusal
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.kafka.pace import Pace
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.dataset.kafka.watch import TopicWatch
from headrace_consumers.dataset.seen.forwarding import Forwarding
from headrace_consumers.dataset.seen.index import Index
from headrace_consumers.dataset.status import Status
from headrace_consumers.dataset.tally import Tally
from headrace_consumers.dataset.upkeep.upkeep import MAINTAINER, Upkeep
from headrace_consumers.deadletters import DeadLetterError

__all__ = ["Loop"]

log = structlog.get_logger("headrace.dataset")

POLL_S: Final = 0.2

STATUS_S: Final = 0.5

_BACKLOG_BATCHES: Final = 5
"""What waits in Kafka is a backlog when it is more than so many full batches."""


class Loop:
    """Reads one topic into one table until it is stopped.

    Args:
        consumer: a `confluent_kafka.Consumer`, not subscribed.
        source: the topic.
        assignment: what the group gives this member.
        client_errors: the consumer's error callback.
        topic_watch: looks now and then whether the topic is still the same.
        table: this member's handle on the table.
        index: derived from the table, e.g. the keys in it.
        make_committer: makes the committer, given what reports offsets to Kafka.
        limits: when a batch is due.
        tally: what was committed is added to it.
        clock: seconds, monotonic.
        on_progress: called with the tally so far after each poll.
        on_status: called with how the loop stands, about twice a second.
        upkeep: given a turn after each poll.
        kafka_silent_s: how long ago a broker last answered, seconds.
    """

    def __init__(
        self,
        *,
        consumer: Any,
        source: Source,
        assignment: Assignment,
        client_errors: ClientErrors,
        topic_watch: TopicWatch,
        table: InteractionTable,
        index: Index,
        make_committer: Callable[[Callable[[Mapping[int, int]], None]], BatchCommitter],
        limits: BatchLimits,
        tally: Tally,
        clock: Callable[[], float],
        on_progress: Callable[[Tally], None],
        on_status: Callable[[Status], None],
        upkeep: Upkeep | None = None,
        kafka_silent_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._consumer = consumer
        self._source = source
        self._assignment = assignment
        self._owned = assignment.owned
        self._client_errors = client_errors
        self._topic_watch = topic_watch
        self._table = table
        self._forwarding = Forwarding(index, assignment)
        self._configured_interval_s = limits.interval_s
        self._backlog_records = _BACKLOG_BATCHES * limits.max_records
        self._has_backlog = False
        self._clock = clock
        self._on_progress = on_progress
        self._upkeep = upkeep
        self._kafka_silent_s = kafka_silent_s
        self._pace = Pace()
        self._on_status = on_status
        self._batches = Batches(
            owned=assignment.owned,
            committer=make_committer(self._report_offsets),
            limits=limits,
            interval_s=self._interval_s,
            on_failure=self._note_error,
            tally=tally,
            clock=clock,
        )
        self._last_event_at = clock()
        self._told_at = float("-inf")
        self._last_error: str | None = None
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
                self._poll(0 if self._forwarding.is_under_way else POLL_S)
                self._topic_watch.look()
                self._bring_index_forward()
                if self._batches.is_due:
                    self._commit()
                    self._tell(at_once=True)
                self._relieve()
                self._keep_up()
                self._on_progress(self.tally)
                if idle_exit_s is not None and self._is_idle(idle_exit_s):
                    break
            self._commit(is_last=True)
        finally:
            self._forwarding.close()
            self._owned.drop(list(self._owned))  # or leaving the group would try the same batch again
            self._batches.forget()
        self._on_progress(self.tally)

    def _keep_up(self) -> None:
        if self._upkeep is not None and not self._forwarding.is_under_way:
            began = self._clock()
            self._upkeep.turn(has_role=MAINTAINER in self._owned, has_backlog=self._has_backlog)
            self._last_event_at += self._clock() - began  # what came meanwhile was not polled: that is no idleness

    def _poll(self, wait_s: float) -> None:
        messages = self._consumer.consume(self._pace.records, wait_s)
        errors = [message for message in messages if message.error() is not None]
        if errors:
            messages = [message for message in messages if message.error() is None]
        polled = Messages.polled(messages)
        self._pace.note(polled)
        if self._batches.take(polled):
            self._last_event_at = self._clock()
        self._client_errors.raise_fatal()
        for message in errors:  # afterwards, for an end is the last of its partition
            self._on_error(message)
        if self._assignment.is_outgrown:  # asked here, since what a callback raises passes through librdkafka
            self._topic_watch.look_now()
        self._tell()

    def _bring_index_forward(self) -> None:
        if self._forwarding.step():
            self._last_event_at = self._clock()

    def _commit(self, *, is_last: bool = False) -> None:
        if self._batches.commit(is_last=is_last):
            self._assignment.resume()
            self._last_event_at = self._clock()  # a slow commit is no idleness

    def _interval_s(self) -> float:
        members = members_of(self._source.partition_count, len(self._owned))
        return commit_interval_s(
            self._configured_interval_s, members, self._table.commit_s, is_remote=self._table.store.is_remote
        )

    def _relieve(self) -> None:
        """Read nothing more while there is no room: a store that is away, or a long catch-up, takes no memory."""
        if self._batches.is_full:
            self._assignment.pause()
        elif self._assignment.is_paused:  # a partition that was taken away made room
            self._assignment.resume()

    def _is_idle(self, idle_exit_s: float) -> bool:
        if not self._assignment.has_joined:  # joining a group takes seconds
            return False
        return not self._owned.buffered_records and self._clock() - self._last_event_at >= idle_exit_s

    def _tell(self, *, at_once: bool = False) -> None:
        now = self._clock()
        if at_once or now - self._told_at >= STATUS_S:
            self._told_at = now
            assignment = self._assignment
            status = Status(
                now,
                assignment.has_joined,
                assignment.status(),
                self._batches.failing_since,
                assignment.is_paused,
                self._last_error,
                self._kafka_silent_s(),
            )
            self._has_backlog = status.lag is not None and status.lag > self._backlog_records
            self._on_status(status)

    def _on_assign(self, _consumer: Any, partitions: Sequence[TopicPartition]) -> None:
        self._assignment.assign(partitions)
        self._last_event_at = self._clock()

    def _on_revoke(self, consumer: Any, partitions: Sequence[TopicPartition]) -> None:
        try:
            if self._batches.failing_since is None:  # else there is no time to find out again that it fails
                self._commit(is_last=True)
        except (Fenced, Stopped, DatasetError, DeadLetterError) as error:
            starts = {partition: owned.start for partition, owned in self._owned.items() if owned.buffered}
            log.warning("batch discarded at revoke", offsets=starts, reason=str(error))
        self._on_lost(consumer, partitions)

    def _on_lost(self, _consumer: Any, partitions: Sequence[TopicPartition]) -> None:
        self._assignment.unassign(partitions)
        self._batches.dropped()

    def _report_offsets(self, next_offsets: Mapping[int, int]) -> None:
        offsets = [TopicPartition(self._source.topic, partition, offset) for partition, offset in next_offsets.items()]
        try:
            # Not waited for: a broker that is away would hold up the loop. The table has the truth.
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.warning("offsets not reported to Kafka", reason=error.args[0].str())

    def _note_error(self, reason: str) -> None:
        self._last_error = reason

    def _on_error(self, message: Any) -> None:
        error = message.error()
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own codes are named so
            self._owned.reached_end(message.partition())
            return
        place = self._source.topic if message.partition() < 0 else f"{self._source.topic}/{message.partition()}"
        if (refused := refusal(error, place)) is not None:
            raise refused
        self._note_error(error.str())
        log.warning("Kafka", partition=message.partition(), offset=message.offset(), reason=error.str())
