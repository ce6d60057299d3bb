"""Reading a topic without a group, to where it ends now: nothing is committed, and no consumer is disturbed."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from headrace.config import Config
from headrace.control.follower import consumer_options
from headrace_consumers.kafka_clients import NO_GROUP, lacking
from headrace_consumers.topics.broker import Broker, TopicError, bootstrap_servers

__all__ = ["TopicReader"]

_TIMEOUT_S: Final = 10.0
_log: Final = logging.getLogger(__name__)


class TopicReader:
    """Reads one topic.

    Args:
        config: `kafka.bootstrap_servers` and the clients' options are used.
        topic: its name.
        timeout_s: how long the broker may be silent.

    Raises:
        ConfigError: no broker is configured.
    """

    def __init__(self, config: Config, topic: str, timeout_s: float = _TIMEOUT_S) -> None:
        bootstrap_servers(config)  # raises where none is set
        self.topic = topic
        self._config = config
        self._timeout_s = timeout_s
        self._trouble = ""
        quiet = {"log_level": 2, "logger": _log, "error_cb": self._remember}
        quick = {"fetch.wait.max.ms": 100, "queued.max.messages.kbytes": 16_384, "queued.min.messages": 10_000}
        pinned = {"isolation.level": "read_committed"}  # what a transaction has undone was never said
        self._options = {**consumer_options(config), **quick, **quiet, **pinned}

    def bounds(self) -> dict[int, tuple[int, int]]:
        """Return partition -> (oldest offset, next offset to be written).

        Raises:
            TopicError: there is no such topic, or the broker does not answer.
        """
        with _Closing(self._options) as consumer:
            return self._bounds(consumer)

    def starts_at(self, time_ms: int) -> dict[int, int]:
        """Return partition -> the offset of the first record written then or later, Unix time; its end: there is none.

        Raises:
            TopicError: as `bounds`.
        """
        with _Closing(self._options) as consumer:
            bounds = self._bounds(consumer)
            asked = [TopicPartition(self.topic, partition, max(0, time_ms)) for partition in bounds]
            try:
                found = consumer.offsets_for_times(asked, timeout=self._timeout_s)
            except KafkaException as error:
                raise TopicError(f"topic {self.topic}: cannot be read: {error.args[0].str()}{self._why()}") from error
            return {each.partition: each.offset if each.offset >= 0 else bounds[each.partition][1] for each in found}

    def read(self, partitions: Sequence[int] | None = None, starts: Mapping[int, int] | None = None) -> Iterator[Any]:
        """Yield confluent-kafka's messages, each partition's in offset order, up to the end as it is now.

        Args:
            partitions: only these; None: all.
            starts: partition -> offset to begin at; else at the oldest.

        Raises:
            TopicError: there is no such topic, or it cannot be read to its end.
        """
        with _Closing(self._options) as consumer:
            bounds = self._bounds(consumer)
            chosen = bounds.keys() if partitions is None else bounds.keys() & set(partitions)
            begins = {p: max(bounds[p][0], (starts or {}).get(p, 0)) for p in sorted(chosen)}
            unread = {p for p, begin in begins.items() if begin < bounds[p][1]}
            consumer.assign([TopicPartition(self.topic, p, begins[p]) for p in unread])
            deadline = time.monotonic() + self._timeout_s
            while unread:
                message = consumer.poll(0.1)
                if message is None:
                    if time.monotonic() > deadline:
                        raise TopicError(
                            f"topic {self.topic}: nothing came for {self._timeout_s:g} s{self._why()}; try again"
                        )
                    continue
                deadline = time.monotonic() + self._timeout_s
                if (error := message.error()) is not None:
                    if error.name() in NO_GROUP:
                        continue
                    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own codes are named so
                        raise TopicError(f"topic {self.topic}: cannot be read: {error.str()}{lacking(error)}")
                    unread.discard(message.partition())
                    continue
                end = bounds[message.partition()][1]
                if message.offset() >= end - 1:
                    unread.discard(message.partition())
                if message.offset() < end:
                    yield message

    def at(self, partition: int, offset: int) -> Any | None:
        """Return the message at an offset, or None where Kafka holds none there (any more).

        Raises:
            TopicError: as `read`.
        """
        for message in self.read([partition], {partition: offset}):
            return message if message.offset() == offset else None
        return None

    def _bounds(self, consumer: Any) -> dict[int, tuple[int, int]]:
        try:
            listed = consumer.list_topics(self.topic, timeout=self._timeout_s).topics[self.topic]
            if listed.error is not None:
                advice = lacking(listed.error) or "; `headrace topics create` makes it"
                raise TopicError(f"topic {self.topic}: {listed.error.str().rstrip('.')}{advice}")
            return {
                p: consumer.get_watermark_offsets(TopicPartition(self.topic, p), timeout=self._timeout_s)
                for p in sorted(listed.partitions)
            }
        except KafkaException as error:
            if error.args[0].name() in {"_TRANSPORT", "_TIMED_OUT"}:
                Broker(self._config).brokers()  # where nobody answers, that says why
            raise TopicError(
                f"topic {self.topic}: cannot be read: {error.args[0].str()}{self._why()}; "
                "check kafka.bootstrap_servers and the topic's access rights"
            ) from error

    def _remember(self, error: KafkaError) -> None:
        if error.name() not in NO_GROUP:
            self._trouble = error.str()

    def _why(self) -> str:
        return f" ({self._trouble})" if self._trouble else ""


class _Closing:
    """A consumer that is closed however its use ends."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._consumer = Consumer(dict(options))

    def __enter__(self) -> Any:
        return self._consumer

    def __exit__(self, *_: object) -> None:
        self._consumer.close()
