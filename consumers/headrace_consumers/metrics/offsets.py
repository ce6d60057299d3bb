"""What the group has committed, and what it commits: an offset, and with it when the record before it was written.

The time stands in the commit's metadata, so that the next process knows how far back to read without asking further.
"""

import contextlib
import functools
import logging
import threading
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from headrace.client_options import client_options
from headrace.config import Config
from headrace_consumers.kafka_clients import QUIET
from headrace_consumers.metrics.errors import MetricsError
from headrace_consumers.statistics.beginning import Beginning, Held, beginning, timely
from headrace_consumers.statistics.place import Place, Position

__all__ = ["Offsets", "make_consumer"]

_TIMEOUT_S: Final = 10.0
_TRIES: Final = 3
_LOGGER: Final = logging.getLogger("headrace.kafka")
log = structlog.get_logger("headrace.metrics")


def make_consumer(config: Config, **callbacks: Any) -> Consumer:
    """Return a consumer, not yet subscribed; the user's own options win, but for those that counting rests on.

    Raises:
        MetricsError: librdkafka refuses an option.
    """
    options: dict[str, Any] = {
        "fetch.queue.backoff.ms": 20,
        "queued.max.messages.kbytes": 16_384,
        **QUIET,
        **client_options(config.kafka),
        **config.kafka.consumer_options,
        "bootstrap.servers": config.kafka.bootstrap_servers,
        "group.id": config.metrics.group_id,
        "enable.auto.commit": False,  # only what a scrape has shown
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",  # of offsets that expired since the assignment
        "enable.partition.eof": True,
    }
    if config.metrics.group_instance_id is not None:
        options["group.instance.id"] = config.metrics.group_instance_id
    if options.get("group.protocol", "classic") != "consumer":
        options.setdefault("partition.assignment.strategy", "cooperative-sticky")
    try:
        return Consumer({**options, **callbacks}, logger=_LOGGER)
    except (KafkaException, ValueError, TypeError) as error:
        raise MetricsError(f"kafka options: {_reason(error)}") from None


class Offsets:
    """The group's offsets. Scrapes only `ask`; all else is the loop's, for the client serves one thread at a time.

    Args:
        consumer: a `confluent_kafka.Consumer`.
        now_ms: Unix time.

    Attributes:
        asked_at_ms: when a scrape last asked, Unix time; None: never.
        acknowledged_at_ms: when Kafka last acknowledged a commit, Unix time; None: never.
    """

    def __init__(self, consumer: Any, now_ms: Callable[[], int]) -> None:
        self.asked_at_ms: int | None = None
        self.acknowledged_at_ms: int | None = None
        self._began_ms = now_ms()
        self._consumer = consumer
        self._now_ms = now_ms
        self._acknowledged: dict[Place, int] = {}
        self._shown: dict[Place, Position] = {}
        self._lock = threading.Lock()
        self._asked: list[tuple[Mapping[Place, Position], threading.Event]] = []

    @property
    def unasked_s(self) -> float:
        """For how long no scrape has asked, since this is there."""
        since_ms = self._began_ms if self.asked_at_ms is None else self.asked_at_ms
        return max(0.0, (self._now_ms() - since_ms) / 1000)

    def beginnings(self, places: Iterable[Place], recalling: Callable[[str], bool]) -> dict[Place, Beginning]:
        """Return where partitions begin.

        Args:
            places: of this topic or that.
            recalling: whether records before the start are to be read again, by topic.

        Raises:
            MetricsError: Kafka does not say.
        """
        found = {}
        for place, held in self._held(list(places)).items():
            offset_at = functools.partial(self._at, place, held.end)
            begins = beginning(held, offset_at, self._now_ms())
            found[place] = begins if recalling(place[0]) else timely(begins, offset_at, self._now_ms())
        return found

    def ask(self, positions: Mapping[Place, Position], timeout_s: float) -> bool:
        """Have the loop commit what a scrape shows; return whether it has.

        Args:
            positions: partition -> where to go on.
            timeout_s: how long to wait for the loop's turn. If it does not come, the next scrape asks again.
        """
        asked = (positions, threading.Event())
        self.asked_at_ms = self._now_ms()
        with self._lock:
            self._asked.append(asked)
        if asked[1].wait(timeout_s):
            return True
        with self._lock, contextlib.suppress(ValueError):
            self._asked.remove(asked)
        return False

    def commit_asked(self, owned: Container[Place]) -> None:
        """Commit what scrapes have asked for, the newest of each partition; the answer is not waited for.

        Args:
            owned: of others there is a later commit already.
        """
        with self._lock:
            asked, self._asked = self._asked, []
        positions: dict[Place, Position] = {}
        for wanted, _ in asked:
            for place, position in wanted.items():
                if place in owned and (place not in positions or position.offset > positions[place].offset):
                    positions[place] = position
        self.commit(positions)
        for _, event in asked:
            event.set()

    def commit(self, positions: Mapping[Place, Position], *, wait: bool = False) -> bool:
        """Commit positions.

        Args:
            positions: partition -> where to go on.
            wait: for the acknowledgement.

        Returns:
            False where it is known to have failed.
        """
        offsets = [
            TopicPartition(topic, partition, position.offset, str(position.appended_ms))
            for (topic, partition), position in positions.items()
            if self._acknowledged.get((topic, partition)) != position.offset
        ]
        if not offsets:
            return True
        try:
            self._consumer.commit(offsets=offsets, asynchronous=not wait)
        except (KafkaException, RuntimeError) as error:  # the latter: the consumer is closed
            log.warning("offsets not committed", reason=_reason(error))
            return False
        return True

    def on_commit(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        """Take in what became of a commit; librdkafka's callback."""
        if error is not None:
            log.warning("offsets not committed", reason=error.str())
            return
        self.acknowledged_at_ms = self._now_ms()
        for place in places:
            if place.error is None:
                self._acknowledged[place.topic, place.partition] = place.offset

    def release(self, place: Place, shown: Position | None = None) -> None:
        """Forget what was committed of a partition.

        Args:
            place: the partition.
            shown: up to where this process has shown it, if that may not be committed: it must not count it again.
        """
        self._acknowledged.pop(place, None)
        if shown is not None:
            self._shown[place] = shown

    def _held(self, places: list[Place]) -> dict[Place, Held]:
        held = {}
        asked = [TopicPartition(*place) for place in places]
        for found in self._patiently(lambda: self._consumer.committed(asked, timeout=_TIMEOUT_S)):
            if found.error is not None:
                raise MetricsError(
                    f"{found.topic}/{found.partition}: {found.error.str()}; check the group's access rights"
                )
            place = (found.topic, found.partition)
            bounds = functools.partial(self._consumer.get_watermark_offsets, TopicPartition(*place), timeout=_TIMEOUT_S)
            oldest, end = self._patiently(bounds)
            committed: int | None = found.offset if found.offset >= 0 else None
            at_ms = int(found.metadata) if (found.metadata or "").isdecimal() else None
            shown = self._shown.pop(place, None)
            if shown is not None and (committed or 0) < shown.offset <= end:
                committed, at_ms = shown.offset, shown.appended_ms
            held[place] = Held(oldest=oldest, end=end, committed=committed, committed_at_ms=at_ms)
        return held

    def _at(self, place: Place, end: int, time_ms: int) -> int:
        asked = [TopicPartition(*place, max(0, time_ms))]
        (found,) = self._patiently(lambda: self._consumer.offsets_for_times(asked, timeout=_TIMEOUT_S))
        return found.offset if 0 <= found.offset <= end else end

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        for attempt in range(_TRIES):
            try:
                return ask()
            except KafkaException as error:
                if attempt == _TRIES - 1:
                    raise MetricsError(f"Kafka does not say where to go on ({_reason(error)}); start again") from None
        raise AssertionError


def _reason(error: BaseException) -> str:
    kafka_error = error.args[0] if error.args else error
    return kafka_error.str() if hasattr(kafka_error, "str") else " ".join(str(error).split())
