"""Records to Kafka: Avro, keyed by deduplication key, acknowledged by all replicas."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

from headrace.config import Config
from headrace.delivery.sinks.protocol import Done
from headrace.errors import ConfigError
from headrace_schemas import Interaction, interaction_codec, keys
from headrace_schemas.topics import REQUEST_HEADER

__all__ = ["KafkaSink", "producer_options"]

logger = logging.getLogger("headrace")

PINNED: Final[Mapping[str, Any]] = {
    # All copies of a key must meet in one partition, whatever client wrote them: librdkafka's default differs.
    "partitioner": "murmur2_random",
    # Without these, a retry can reorder or double records.
    "enable.idempotence": True,
    "acks": "all",
}
_DEFAULTS: Final[Mapping[str, Any]] = {
    "client.id": "headrace",
    "compression.type": "lz4",
    "linger.ms": 50,
    "queue.buffering.max.kbytes": 65_536,  # memory is bounded in the service
    "log_level": 3,
}
_FULL_WAIT_S: Final = 0.1
_LOG_EVERY_S: Final = 60.0


class KafkaSink:
    """Sends to the interactions topic.

    Args:
        config: the configuration; kafka.bootstrap_servers is set.
        make_producer: makes the client from its options.
        clock: seconds, monotonic.

    Raises:
        ConfigError: an option contradicts what the guarantees rest on.
    """

    def __init__(
        self,
        config: Config,
        *,
        make_producer: Callable[[dict[str, Any]], Any] = Producer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = producer_options(config)
        self._topic = config.kafka.topics.interactions
        self._make_producer = make_producer
        self._clock = clock
        self._codec = interaction_codec()
        self._producer: Any = None
        self._told_at: dict[str, float] = {}

    def send(self, record: Interaction, done: Done) -> None:
        """See `Sink.send`."""

        def on_delivery(error: Any, message: Any) -> None:
            del message
            done(None if error is None else f"kafka:{error.name()}")

        try:
            producer = self._open()
            value = self._codec.encode(record)
            headers = [(REQUEST_HEADER, keys.request_id_hash(record["request_id"]))]
            while True:
                try:
                    producer.produce(
                        self._topic, value, record["dedup_key"].encode(), headers=headers, on_delivery=on_delivery
                    )
                except BufferError:
                    producer.poll(_FULL_WAIT_S)  # librdkafka is full: the bounded queue before us fills and counts
                else:
                    break
        except KafkaException as error:
            done(f"kafka:{error.args[0].name()}")
        except Exception as error:
            done(f"encode:{type(error).__name__}")

    def poll(self) -> None:
        """See `Sink.poll`."""
        if self._producer is not None:
            self._producer.poll(0)

    def flush(self, timeout_s: float) -> None:
        """See `Sink.flush`."""
        if self._producer is not None:
            self._producer.flush(max(0.0, timeout_s))

    def close(self) -> None:
        """See `Sink.close`."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.poll(0)
            self._producer = None

    def _open(self) -> Any:
        if self._producer is None:
            self._producer = self._make_producer(
                {**self._options, "error_cb": self._on_error, "logger": logging.getLogger("headrace.librdkafka")}
            )
        return self._producer

    def _on_error(self, error: Any) -> None:
        name, now = error.name(), self._clock()
        if now - self._told_at.get(name, -_LOG_EVERY_S) >= _LOG_EVERY_S:
            self._told_at[name] = now
            logger.warning("Kafka: %s (%s); calls go on, records wait or are counted as dropped", error.str(), name)


def producer_options(config: Config) -> dict[str, Any]:
    """Return librdkafka's options for a producer: ours, the user's over them, and the pinned ones.

    Raises:
        ConfigError: the user's options contradict a pinned one.
    """
    given = {**config.kafka.options, **config.kafka.producer_options}
    for name, pinned in PINNED.items():
        if name in given and str(given[name]).lower() not in {str(pinned).lower(), "-1" if name == "acks" else ""}:
            raise ConfigError(
                f"kafka.producer_options.{name}: found {given[name]!r}, expected {pinned!r}; exactly once rests on it"
            )
    return {**_DEFAULTS, **given, **PINNED, "bootstrap.servers": config.kafka.bootstrap_servers}
