"""Whether Kafka answers, asked once in a while: where it does not, pages say so soon, and ask it for nothing."""

import time
from collections.abc import Callable
from typing import Final

from headrace.config import Config
from headrace.errors import HeadraceError
from headrace_consumers.topics import Broker, TopicError
from headrace_consumers.ui.sources import Sources

__all__ = ["insist_on_broker", "trouble_with_broker", "without_broker"]

_WAIT_S: Final = 3.0
_EACH_S: Final = 10.0


def trouble_with_broker(sources: Sources, now_s: Callable[[], float] = time.time) -> str:
    """Return why Kafka does not answer, in one line; empty: it does, or did a few seconds ago."""

    def asked() -> str:
        try:
            Broker(sources.config, _WAIT_S).brokers()
        except HeadraceError as error:
            return str(error)
        return ""

    return sources.kept("broker", now_s() // _EACH_S, asked)


def insist_on_broker(sources: Sources) -> None:
    """Return if Kafka answers.

    Raises:
        TopicError: it does not.
    """
    if trouble := trouble_with_broker(sources):
        raise TopicError(trouble)


def without_broker(config: Config) -> Config:
    """Return the configuration without Kafka: what asks for it is told so at once."""
    return config.model_copy(update={"kafka": config.kafka.model_copy(update={"bootstrap_servers": None})})
