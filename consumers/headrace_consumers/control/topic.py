"""Reads the control topic from its beginning to its end, and writes orders to it, each acknowledged by the broker."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from headrace.config import Config
from headrace.control import OrderError, Orders, SamplingOrder, read_order
from headrace.control.follower import consumer_options
from headrace.delivery.sinks.kafka_options import producer_options
from headrace.errors import ConfigError
from headrace_consumers.kafka_clients import NO_GROUP, lacking
from headrace_consumers.topics import Broker, bootstrap_servers
from headrace_schemas import HeadraceError

__all__ = ["ControlError", "ControlTopic", "InForce", "Written"]

_TIMEOUT_S: Final = 8.0
_log: Final = logging.getLogger(__name__)


class ControlError(HeadraceError):
    """The control topic cannot be read, or did not take an order."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What the topic says now.

    Attributes:
        orders: the sampling orders that producers follow.
        ignored: message key -> (offset, reason) of the newest records that producers pass over.
    """

    orders: Orders
    ignored: dict[bytes, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """Where an order stands: in all replicas that are in sync."""

    topic: str
    offset: int


class ControlTopic:
    """The configured control topic.

    Args:
        config: `kafka.bootstrap_servers`, `kafka.topics.control` and the clients' options are used.
        timeout_s: for reading all of it, and for each order's acknowledgement.
        time_s: Unix time in seconds.

    Raises:
        ConfigError: no broker is configured, or an option contradicts what the guarantees rest on.
    """

    def __init__(
        self, config: Config, timeout_s: float = _TIMEOUT_S, *, time_s: Callable[[], float] = time.time
    ) -> None:
        self.name = config.kafka.topics.control
        bootstrap_servers(config)  # raises where none is set
        self._config = config
        self._timeout_s = timeout_s
        self._time_s = time_s
        self._trouble = ""
        quiet = {"log_level": 2, "logger": _log, "error_cb": self._remember}
        self._consumer_options = {**consumer_options(config), "fetch.wait.max.ms": 100, **quiet}
        self._producer_options = {**producer_options(config), "message.timeout.ms": int(timeout_s * 1000), **quiet}

    def read(self) -> InForce:
        """Return the orders in force.

        Raises:
            TopicError: the broker does not answer.
            ControlError: there is no such topic, or it cannot be read to its end.
        """
        self._check_topic()
        found = InForce(Orders())
        consumer = self._made(Consumer, self._consumer_options)
        deadline = time.monotonic() + self._timeout_s
        try:
            consumer.assign([TopicPartition(self.name, 0, OFFSET_BEGINNING)])
            while True:
                message = consumer.poll(0.1)
                if message is not None and message.error() is None:
                    self._take(message, found)
                elif message is not None and message.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # librdkafka's own codes are named so
                    return found
                elif message is not None:
                    self._remember(message.error())
                if time.monotonic() > deadline:
                    raise ControlError(f"topic {self.name}: not read to its end in {self._timeout_s:g} s{self._why()}")
        finally:
            consumer.close()

    def write(self, order: SamplingOrder) -> Written:
        """Write an order, and return when the broker has acknowledged it; an empty one as a tombstone.

        Raises:
            ControlError: the broker did not acknowledge it; whether it took it is not known then.
        """
        producer = self._made(Producer, self._producer_options)
        outcome: list[tuple[Any, Any]] = []
        producer.produce(
            self.name,
            None if order.is_empty else order.encoded(),
            order.scope.key,
            partition=0,  # producers follow this one
            on_delivery=lambda error, message: outcome.append((error, message)),
        )
        producer.flush(self._timeout_s + 1)
        error, message = outcome[0] if outcome else (None, None)
        if error is not None or message is None:
            if error is not None and (lack := lacking(error)):
                raise ControlError(f"topic {self.name}: {error.str().rstrip('.')}{lack}; nothing was ordered")
            said = f": {error.str()}" if error is not None else ""
            raise ControlError(
                f"topic {self.name}: the broker did not acknowledge the order{said}{self._why()}; "
                "`headrace sampling list` shows whether it holds"
            )
        return Written(self.name, message.offset())

    def _check_topic(self) -> None:
        if self.name not in Broker(self._config, self._timeout_s).existing():
            raise ControlError(
                f"topic {self.name}: missing, or hidden from this user; `headrace topics create` makes it, "
                "an administrator's `headrace acls check` names a missing right"
            )

    def _take(self, message: Any, found: InForce) -> None:
        try:
            order = read_order(message.key(), message.value(), int(self._time_s() * 1000))
        except OrderError as error:
            found.ignored[message.key() or b""] = (message.offset(), str(error))
        else:
            found.ignored.pop(message.key() or b"", None)
            if order is not None:
                found.orders.take(order)

    def _made(self, client: Any, options: dict[str, Any]) -> Any:
        try:
            return client(options)
        except KafkaException as error:
            raise ConfigError(f"kafka.options: librdkafka refuses them: {error.args[0].str()}") from error

    def _remember(self, error: KafkaError) -> None:
        if error.name() not in NO_GROUP:
            self._trouble = error.str()

    def _why(self) -> str:
        return f" ({self._trouble})" if self._trouble else ""
