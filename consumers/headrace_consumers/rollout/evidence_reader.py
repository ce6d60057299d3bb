"""Reads statistics and feedback from where the state has counted them up to: no group, no offset committed to Kafka.

All partitions are read by the one that writes decisions; where to go on stands in what it writes.
"""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from headrace.client_options import client_options
from headrace.config import Config
from headrace.errors import ConfigError
from headrace_consumers.kafka_clients import NO_GROUP, QUIET, close_consumer, lacking
from headrace_consumers.monitoring.lag import lag_s
from headrace_consumers.rollout.desk import DeskError
from headrace_consumers.rollout.intake import Intake, position_of, with_position
from headrace_consumers.rollout.state import State
from headrace_consumers.statistics.beginning import Held, beginning
from headrace_consumers.statistics.place import Place, Position, Reading
from headrace_consumers.statistics.producers import LATE_MS

__all__ = ["EvidenceReader"]

_TIMEOUT_S: Final = 10.0
_POLL_RECORDS: Final = 500
_CLOSE_S: Final = 3.0
_LOGGER: Final = logging.getLogger("headrace.kafka")
_PINNED: Final[Mapping[str, Any]] = {
    "group.id": "headrace-rollout",  # librdkafka wants one; no group is joined
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",  # of offsets that expired since the beginning was asked
    "enable.partition.eof": True,
}
log = structlog.get_logger("headrace.rollout")


class EvidenceReader:
    """Reads the topics of evidence.

    Args:
        config: the whole configuration.
        intakes: what takes their records in, one a topic.
        now_ms: Unix time.
        options: more options of the client.
    """

    def __init__(
        self,
        config: Config,
        intakes: Sequence[Intake[Any]],
        now_ms: Callable[[], int],
        options: Mapping[str, Any],
    ) -> None:
        self._intakes = {intake.topic: intake for intake in intakes}
        self._now_ms = now_ms
        self.last_error: str | None = None
        given = {**client_options(config.kafka), **config.kafka.consumer_options}
        given = {name: value for name, value in given.items() if not name.startswith("group.")}
        try:
            self._consumer = Consumer(
                {
                    "fetch.wait.max.ms": 200,
                    "fetch.queue.backoff.ms": 20,
                    "queued.max.messages.kbytes": 16_384,
                    **QUIET,
                    **given,
                    **options,
                    "bootstrap.servers": config.kafka.bootstrap_servers,
                    **_PINNED,
                    "error_cb": self._on_error,
                },
                logger=_LOGGER,
            )
        except (KafkaException, ValueError, TypeError) as error:
            reason = error.args[0].str() if isinstance(error, KafkaException) else str(error)
            raise ConfigError(f"kafka options: {reason}") from None
        self._unread: set[Place] = set()
        self._ends: dict[Place, bool] = {}
        self._partitions: dict[str, int] = {}

    @property
    def has_caught_up(self) -> bool:
        """Whether the end of every partition has been met since the beginning."""
        return not self._unread

    @property
    def partitions(self) -> dict[str, int]:
        """How many partitions of each topic are read."""
        return dict(self._partitions)

    def begin(self, state: State) -> State:
        """Go on from a state; what was read before is of no account.

        Returns:
            It, with the places where partitions begin that nobody has read yet.

        Raises:
            DeskError: Kafka does not say where.
        """
        self._consumer.unassign()
        assigned: list[TopicPartition] = []
        self._unread = set()
        self._ends = {}
        self._partitions = self.counted_partitions()
        for topic, count in self._partitions.items():
            for place in ((topic, partition) for partition in range(count)):
                held = self._held(place, state)
                begins = beginning(held, functools.partial(self._at, place, held.end), self._now_ms())
                if begins.skipped:
                    log.warning(
                        "Kafka no longer holds records that were not counted", place=place, records=begins.skipped
                    )
                self._intakes[topic].assign(place[1], begins)
                assigned.append(TopicPartition(*place, begins.read_from))
                self._unread.add(place)
                if position_of(state, place) is None:
                    state = with_position(state, place, Position(begins.start, self._now_ms() - LATE_MS))
        self._consumer.assign(assigned)
        return state

    def take(self, state: State, timeout_s: float) -> State:
        """Return the state with what came meanwhile.

        Raises:
            DeskError: reading cannot go on.
        """
        messages: list[Any] = self._consumer.consume(_POLL_RECORDS, timeout_s)
        for message in messages:
            place: Place = (message.topic(), message.partition())
            error = message.error()
            if error is None:
                reading = Reading(place, message.offset(), message.value(), max(0, message.timestamp()[1]))
                state = self._intakes[place[0]].take(reading, state)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own codes are named so
                self._unread.discard(place)
            elif error.name() in NO_GROUP:
                pass
            elif error.fatal() or (lack := lacking(error)):
                raise DeskError(f"topic {place[0]}: {error.str().rstrip('.')}{lack}", is_final=True)
            else:
                self._on_error(error)
        return state

    def lag(self, state: State, place: Place, now_ms: int) -> tuple[int | None, float | None]:
        """Return how many records of a partition were not read, and how old the last is that was; None: not known."""
        position = position_of(state, place)
        try:
            bounds = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
        except KafkaException:
            return None, None
        if bounds is None or bounds[1] < 0 or position is None:
            return None, None
        records = max(0, int(bounds[1]) - position.offset)
        return records, lag_s(records, position.appended_ms, now_ms)

    def counted_partitions(self) -> dict[str, int]:
        """Return topic -> how many partitions it has now.

        Raises:
            DeskError: a topic is missing, or the broker does not answer.
        """
        return {topic: self._partition_count(topic) for topic in self._intakes}

    def close(self) -> None:
        """Let go of the client; a broker that is away is not waited for."""
        close_consumer(self._consumer, _CLOSE_S)

    def _partition_count(self, topic: str) -> int:
        listed = self._patiently(lambda: self._consumer.list_topics(topic, timeout=_TIMEOUT_S)).topics[topic]
        if listed.error is not None:
            advice = lacking(listed.error) or "; `headrace topics create` makes it"
            raise DeskError(f"topic {topic}: {listed.error.str().rstrip('.')}{advice}", is_final=True)
        return len(listed.partitions)

    def _held(self, place: Place, state: State) -> Held:
        oldest, end = self._patiently(
            lambda: self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=_TIMEOUT_S)
        )
        position = position_of(state, place)
        return Held(
            oldest=oldest,
            end=end,
            committed=None if position is None else position.offset,
            committed_at_ms=None if position is None else position.appended_ms,
        )

    def _at(self, place: Place, end: int, time_ms: int) -> int:
        asked = [TopicPartition(*place, max(0, time_ms))]
        (found,) = self._patiently(lambda: self._consumer.offsets_for_times(asked, timeout=_TIMEOUT_S))
        return found.offset if 0 <= found.offset <= end else end

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except KafkaException as error:
            cause: Any = error.args[0]
            raise DeskError(f"Kafka does not say where to go on ({cause.str()}){lacking(cause)}") from None

    def _on_error(self, error: Any) -> None:
        if error.name() in NO_GROUP:
            return
        if self.last_error != error.str():
            log.warning("Kafka", error=error.name(), reason=error.str())
        self.last_error = error.str()
