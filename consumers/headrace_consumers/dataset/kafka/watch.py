"""Watching the topic while it is read: somebody may add partitions, or delete it and create it again."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from confluent_kafka import KafkaException

from headrace_consumers.dataset.delta.known_topics import KnownTopic
from headrace_consumers.dataset.errors import SourceError
from headrace_consumers.dataset.kafka.identity import insist_on_partitions, insist_on_topic
from headrace_consumers.dataset.kafka.source import Source

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["TopicAsked", "TopicWatch"]

INTERVAL_S: Final = 10.0

log = structlog.get_logger("headrace.dataset")


class TopicAsked(Protocol):
    """Asks the broker for the topic."""

    def ask(self) -> "Future[Any] | None":
        """Ask without waiting."""
        ...

    def understood(self, asked: "Future[Any]") -> Source:
        """Return the answer."""
        ...

    def describe(self) -> Source:
        """Ask, and wait for the answer."""
        ...


class TopicWatch:
    """Asks for the topic now and then, and refuses it when it is no longer the one that the table was built from.

    Args:
        topic: asks.
        known: what the table remembers.
        table: its path.
        clock: seconds, monotonic.
        interval_s: between two questions.
    """

    def __init__(
        self,
        topic: TopicAsked,
        known: KnownTopic,
        table: Path | str,
        *,
        clock: Callable[[], float],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._topic = topic
        self._known = known
        self._table = table
        self._clock = clock
        self._interval_s = interval_s
        self._asked: Future[Any] | None = None
        self._next_at = clock() + interval_s

    def look(self) -> None:
        """Ask when it is time, and take in the answer when it is there; never waits.

        Raises:
            SourceError: the topic has other partitions, is another, or is gone.
        """
        if self._asked is not None and self._asked.done():
            answered, self._asked = self._asked, None
            self._take(lambda: self._topic.understood(answered))
        elif self._asked is None and self._clock() >= self._next_at:
            self._next_at = self._clock() + self._interval_s
            self._asked = self._topic.ask()

    def look_now(self) -> None:
        """Ask and wait, because something points to a change.

        Raises:
            SourceError: see `look`.
            NoAnswerError: the broker does not answer.
        """
        self._insist(self._topic.describe())

    def _take(self, answer: Callable[[], Source]) -> None:
        try:
            found = answer()
        except KafkaException as error:
            reason = error.args[0]
            if reason.name() == "UNKNOWN_TOPIC_OR_PART":
                raise SourceError(
                    f"the topic of {self._table} is gone from Kafka; all that was read is in the table. Create it "
                    'with `headrace topics create`; see "The topic changes" in docs/operations.md'
                ) from None
            log.debug("the topic was not described", reason=reason.str())  # a broker that is away is told of elsewhere
            return
        self._insist(found)

    def _insist(self, found: Source) -> None:
        insist_on_topic(found, self._known, self._table)
        insist_on_partitions(found, self._known.partitions, self._table)
