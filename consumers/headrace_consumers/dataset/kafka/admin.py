"""What the consumer asks the broker about its topic: identity, partitions, the offsets that it holds."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, but not in __all__

from headrace.client_options import client_options
from headrace.config import Config
from headrace_consumers.dataset.errors import NoAnswerError, SourceError, Stopped
from headrace_consumers.dataset.kafka.source import Source
from headrace_consumers.kafka_clients import QUIET, lacking

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["TopicAdmin"]

TIMEOUT_S: Final = 10.0
_LOOK_S: Final = 0.05
_PAUSE_S: Final = 0.5
_LONGEST_S: Final = 30.0
_PATIENCE_S: Final = {
    "UNKNOWN_TOPIC_OR_PART": 3.0,
    "TOPIC_AUTHORIZATION_FAILED": 0.0,
    "CLUSTER_AUTHORIZATION_FAILED": 0.0,
    "_AUTHENTICATION": 0.0,
    "_SSL": 0.0,
}
"""Error name -> for how long, seconds, it may be one that passes; others: _LONGEST_S."""

Answer = TypeVar("Answer")
_LOGGER: Final = logging.getLogger("headrace.kafka")
log = structlog.get_logger("headrace.dataset")


class TopicAdmin:
    """The administrative side of a topic.

    Args:
        config: the whole configuration.
        stop: when it is set, no answer is waited for.
        purpose: which topic, a name in `kafka.topics`.

    Raises:
        SourceError: no broker is configured, or librdkafka refuses an option.
    """

    def __init__(self, config: Config, stop: threading.Event | None = None, purpose: str = "interactions") -> None:
        servers = config.kafka.bootstrap_servers
        if servers is None:
            raise SourceError("kafka.bootstrap_servers: not set; give HOST:PORT in the configuration or environment")
        self._servers = servers
        self._stop = stop or threading.Event()
        self._purpose = purpose
        self._topic: str = getattr(config.kafka.topics, purpose)
        self._embedded_id = config.kafka.embedded_id
        self._not_let_in: Any = None
        try:
            options = {**QUIET, **client_options(config.kafka), "bootstrap.servers": servers, "error_cb": self._hear}
            self._admin = AdminClient(options, logger=_LOGGER)
        except (KafkaException, ValueError, TypeError) as error:
            raise SourceError(f"kafka.options: {' '.join(str(error).split())}") from None

    def describe(self) -> Source:
        """Return the topic as it is now.

        Raises:
            SourceError: the broker does not answer, or there is no such topic.
        """
        return self._patiently(self._described)

    def ask(self) -> "Future[Any] | None":
        """Ask for the topic without waiting for the answer; None where the broker knows no topic ids."""
        if self._embedded_id is not None:
            return None
        asked: Future[Any] = self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=TIMEOUT_S)[
            self._topic
        ]
        return asked

    def understood(self, asked: "Future[Any]") -> Source:
        """Return the topic that an answer describes; waits for it.

        Raises:
            KafkaException: it is an error, or does not come.
            Stopped: it is not waited for any more.
        """
        answer = self._waited_for(asked)
        return Source(self._topic, str(answer.topic_id), len(answer.partitions), self._purpose)

    def oldest(self, source: Source) -> dict[int, int]:
        """Return partition -> the oldest offset that Kafka holds.

        Raises:
            SourceError: the broker does not answer.
        """
        return self._offsets(source, OffsetSpec.earliest)

    def ends(self, source: Source) -> dict[int, int]:
        """Return partition -> the offset that the next message will get.

        Raises:
            SourceError: the broker does not answer.
        """
        return self._offsets(source, OffsetSpec.latest)

    def _offsets(self, source: Source, spec: Callable[[], Any]) -> dict[int, int]:
        asked = {TopicPartition(source.topic, partition): spec() for partition in range(source.partition_count)}

        def answered() -> dict[int, int]:
            answers = self._admin.list_offsets(asked, request_timeout=TIMEOUT_S)
            return {place.partition: int(self._waited_for(answer).offset) for place, answer in answers.items()}

        return self._patiently(answered)

    def _described(self) -> Source:
        asked = self.ask()
        if asked is not None:
            return self.understood(asked)
        metadata = self._admin.list_topics(self._topic, timeout=TIMEOUT_S).topics[self._topic]
        return Source(self._topic, f"{self._embedded_id}-{self._topic}", len(metadata.partitions), self._purpose)

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask again for a while: a broker that is just starting knows neither topics nor leaders yet."""
        began = time.monotonic()
        has_told = False
        while True:
            try:
                return ask()
            except KafkaException as error:
                self._not_let_in = None
                reason = error.args[0]
                if time.monotonic() - began > _PATIENCE_S.get(reason.name(), _LONGEST_S):
                    raise self._refusal(error) from None
                if not has_told:
                    has_told = True
                    log.warning("Kafka does not answer yet", servers=self._servers, reason=reason.str())
            if self._stop.wait(_PAUSE_S):
                raise Stopped("told to stop while Kafka was asked for the topic")

    def _waited_for(self, asked: "Future[Any]") -> Any:
        while not asked.done():  # it is, with an error, soon after the request's own time-out
            self._admin.poll(0)  # hands over what `_hear` is to hear
            if self._not_let_in is not None:  # the request itself would only say, much later, that nobody answered
                raise KafkaException(self._not_let_in)
            if self._stop.wait(_LOOK_S):
                raise Stopped("told to stop while Kafka was asked for the topic")
        return asked.result()

    def _hear(self, error: Any) -> None:
        if error.name() in {"_AUTHENTICATION", "_SSL"}:
            self._not_let_in = error

    def _refusal(self, error: KafkaException) -> SourceError:
        reason = error.args[0]
        if reason.name() == "UNKNOWN_TOPIC_OR_PART":
            return SourceError(
                f"{self._topic}: no such topic on {self._servers}; create it with `headrace topics create`"
            )
        if lack := lacking(reason):
            return SourceError(f"{self._topic}: {reason.str().rstrip('.')}{lack}")
        return NoAnswerError(f"{self._servers}: no answer from Kafka ({reason.str()})")
