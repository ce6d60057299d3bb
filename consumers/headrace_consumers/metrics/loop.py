"""The consumer's loop: one thread that polls Kafka and fills the state, which scrapes read.

assigned -> where it begins is asked -> read and counted -> shown by a scrape -> its offset committed
revoked  -> all that was counted is committed, and shown here; it was not: the next owner counts it, and not this one
lost     -> what was not committed is the next owner's
leaving  -> likewise: nobody scrapes this process any more

A broker that is away is waited for. One that does not let this client in ends it, at the start; later what was counted
is still to be shown, and it goes on asking.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from headrace_consumers.kafka_clients import NOT_LET_IN, lacking, said_by
from headrace_consumers.metrics.errors import MetricsError
from headrace_consumers.metrics.offsets import Offsets
from headrace_consumers.metrics.standing import UNSCRAPED_S, PartitionStanding, Standing
from headrace_consumers.metrics.state import State
from headrace_consumers.statistics.place import Place, Reading

__all__ = ["Loop"]

_POLL_S: Final = 0.05  # a scrape waits for the turn that commits what it shows
_POLL_RECORDS: Final = 500
_FINAL: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  # librdkafka's own codes are named so
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError._FATAL,  # noqa: SLF001
    }
)

log = structlog.get_logger("headrace.metrics")


class Loop:
    """Reads the topics into the state until it is stopped.

    Args:
        consumer: a `confluent_kafka.Consumer`, not subscribed.
        topics: what to read.
        recalled: those of which records before the start are read again.
        state: takes the messages.
        offsets: the group's.
        clock: seconds, monotonic.
        on_standing: told how the loop stands, after each poll.
        kafka_silent_s: how long ago a broker last answered, seconds.
    """

    def __init__(
        self,
        *,
        consumer: Any,
        topics: Sequence[str],
        recalled: Sequence[str],
        state: State,
        offsets: Offsets,
        clock: Callable[[], float],
        on_standing: Callable[[Standing], None],
        kafka_silent_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._consumer = consumer
        self._topics = topics
        self._recalled = recalled
        self._state = state
        self._offsets = offsets
        self._clock = clock
        self._on_standing = on_standing
        self._kafka_silent_s = kafka_silent_s
        self._is_unscraped = False
        self._at_end: dict[Place, bool] = {}
        self._caught_up: dict[Place, bool] = {}
        self._has_joined = False
        self._refusal: str | None = None
        self._are_all_down = False
        self._last_error: str | None = None
        self._told: set[str] = set()
        self._stop = threading.Event()

    def run(self, stop: threading.Event, idle_exit_s: float | None = None) -> None:
        """Count until `stop` is set, or nothing has come for `idle_exit_s` since all was read.

        Raises:
            MetricsError: reading cannot go on; nothing is lost by it.
        """
        self._stop = stop
        self._consumer.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        last_at = self._clock()
        while not stop.is_set():
            if self._poll() or not (self._has_joined and all(self._at_end.values())):
                last_at = self._clock()
            if idle_exit_s is not None and self._clock() - last_at >= idle_exit_s:
                break
        stop.set()  # what leaving revokes is not for this process to show

    def on_error(self, error: Any) -> None:
        """Take in what the client says of itself; what passes is logged once a kind. librdkafka's callback."""
        self._last_error = error.str()
        if error.name() in NOT_LET_IN:
            self._refusal = said_by(error)
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001  # it follows the error that explains it
            self._are_all_down = True
        if error.name() not in self._told:
            self._told.add(error.name())
            log.warning("Kafka", error=error.name(), reason=error.str())

    def _poll(self) -> bool:
        messages = self._consumer.consume(_POLL_RECORDS, _POLL_S)
        self._insist_on_being_let_in()
        errors = [message for message in messages if message.error() is not None]
        readings = [_reading(message) for message in messages if message.error() is None]
        for reading in readings:
            if reading.place in self._at_end:
                self._at_end[reading.place] = False
        self._state.take(readings)
        for message in errors:
            self._on_message_error(message)
        self._offsets.commit_asked(self._at_end)
        self._tell_of_scrapes()
        self._on_standing(self._standing())
        return bool(readings)

    def _insist_on_being_let_in(self) -> None:
        """End where no broker lets this client in; one that does not, beside others that do, is only told of."""
        if self._refusal is not None and self._are_all_down and not self._has_joined:
            raise MetricsError(
                f"Kafka does not let this client in: {self._refusal}; see kafka.options for its security"
            )

    def _tell_of_scrapes(self) -> None:
        unscraped_s = self._offsets.unasked_s
        if unscraped_s > UNSCRAPED_S and not self._is_unscraped:
            log.warning("nobody scrapes /metrics, so no offset is committed", for_s=round(unscraped_s))
        elif self._is_unscraped and unscraped_s <= UNSCRAPED_S:
            log.info("scraped again")
        self._is_unscraped = unscraped_s > UNSCRAPED_S

    def _standing(self) -> Standing:
        partitions = {}
        for place, has_caught_up in self._caught_up.items():
            position = self._state.next(place)
            if position is not None:
                lag = 0 if self._at_end[place] else self._lag(place, position.offset)
                partitions[place] = PartitionStanding(position.offset, lag, position.appended_ms or None, has_caught_up)
        return Standing(
            turned_at=self._clock(),
            has_joined=self._has_joined,
            partitions=partitions,
            last_error=self._last_error,
            kafka_silent_s=self._kafka_silent_s(),
            scraped_at_ms=self._offsets.asked_at_ms,
            unscraped_s=self._offsets.unasked_s,
            committed_at_ms=self._offsets.acknowledged_at_ms,
        )

    def _lag(self, place: Place, next_offset: int) -> int | None:
        try:
            bounds = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
        except KafkaException:
            return None
        return None if bounds is None or bounds[1] < 0 else max(0, int(bounds[1]) - next_offset)

    def _on_assign(self, _consumer: Any, partitions: Sequence[TopicPartition]) -> None:
        begins = self._offsets.beginnings(
            [(each.topic, each.partition) for each in partitions], lambda topic: topic in self._recalled
        )
        for place, each in begins.items():
            self._state.assign(place, each)
            self._at_end[place] = self._caught_up[place] = False
            if each.skipped:
                log.warning("Kafka no longer holds records that were not counted", place=place, records=each.skipped)
            if each.passed_over:
                log.info("passed over: over 5 minutes old", place=place, records=each.passed_over)
        self._consumer.incremental_assign([TopicPartition(*place, each.read_from) for place, each in begins.items()])
        self._has_joined = True
        log.info("assigned", partitions=_names(begins), starts=[each.start for each in begins.values()])

    def _on_revoke(self, consumer: Any, partitions: Sequence[TopicPartition]) -> None:
        places = [(each.topic, each.partition) for each in partitions]
        counted = {place: position for place in places if (position := self._state.read(place)) is not None}
        if self._stop.is_set() or not self._offsets.commit(counted, wait=True):
            self._on_lost(consumer, partitions)
            return
        for place in places:
            self._state.settle(place)
            self._offsets.release(place)
        self._let_go(places)

    def _on_lost(self, _consumer: Any, partitions: Sequence[TopicPartition]) -> None:
        places = [(each.topic, each.partition) for each in partitions]
        for place in places:
            self._offsets.release(place, self._state.discard(place))
        self._let_go(places)

    def _let_go(self, places: Sequence[Place]) -> None:
        for place in places:
            self._at_end.pop(place, None)
            self._caught_up.pop(place, None)
        self._consumer.incremental_unassign([TopicPartition(*place) for place in places])
        log.info("unassigned", partitions=_names(places))

    def _on_message_error(self, message: Any) -> None:
        error = message.error()
        place = (message.topic(), message.partition())
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            if place in self._at_end:
                self._at_end[place] = self._caught_up[place] = True
            return
        if error.fatal() or error.code() in _FINAL:
            advice = lacking(error) or "; see `headrace topics check`"
            raise MetricsError(f"{place[0] or 'Kafka'}: {error.str().rstrip('.')}{advice}")
        self.on_error(error)


def _reading(message: Any) -> Reading:
    return Reading(
        (message.topic(), message.partition()), message.offset(), message.value(), max(0, message.timestamp()[1])
    )


def _names(places: Any) -> list[str]:
    return [f"{topic}/{partition}" for topic, partition in places]
