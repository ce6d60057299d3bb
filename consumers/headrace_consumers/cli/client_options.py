"""librdkafka's options, checked by librdkafka itself: clients are made with them and thrown away, unconnected."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.client_options import client_options, open_secrets
from headrace.errors import ConfigError

if TYPE_CHECKING:
    from headrace.config import Kafka

__all__ = ["check_client_options"]

_ADDRESSES = frozenset({"bootstrap.servers", "metadata.broker.list"})
_OUR_GROUP = "group.id"


def check_client_options(kafka: "Kafka") -> list[str]:
    """Return librdkafka's remarks on the options, and ours on the secrets' files, one line each.

    Raises:
        ConfigError: an option does not exist, its value is impossible, or a secret is not where it should be.
    """
    from confluent_kafka import Consumer, Producer

    shared = client_options(kafka)
    notes = _make(Producer, {}, shared, kafka.producer_options, "producer_options")
    notes += _make(Consumer, {_OUR_GROUP: "check"}, shared, kafka.consumer_options, "consumer_options")
    return [*notes, *open_secrets(kafka)]


def _make(
    client_class: Any, needed: Mapping[str, Any], shared: Mapping[str, Any], own: Mapping[str, Any], own_name: str
) -> list[str]:
    """Make a client with each set of options alone, so that a complaint names the section it came from."""
    notes = []
    for section, options in (("options", shared), (own_name, own)):
        # Without an address a client connects to nothing.
        harmless = {key: value for key, value in options.items() if key not in _ADDRESSES}
        heard = _Remarks()
        try:
            client = client_class({**needed, **harmless}, logger=heard.logger)
            client.poll(0)  # hands over what was logged
            if hasattr(client, "close"):
                client.close()
        except Exception as error:  # librdkafka's KafkaException; TypeError and ValueError of the binding
            reason = error.args[0].str() if error.args and hasattr(error.args[0], "str") else str(error)
            raise ConfigError(f"kafka.{section}: librdkafka refuses it: {reason}") from error
        # The shared options go to both kinds of client, so that one ignores what is the other's is no remark.
        notes += [f"kafka.{section}: {line}" for line in heard.lines if section != "options"]
    return notes


class _Remarks(logging.Handler):
    """Keeps librdkafka's warnings about a configuration; its other lines are of no interest."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        # Not getLogger: this one belongs to nobody else and writes nowhere.
        self.logger = logging.Logger("headrace.client_options")  # noqa: LOG001  # see above
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "CONFWARN" in message and "`bootstrap.servers`" not in message:  # it lacks them on purpose
            self.lines.append(message.rpartition("]: ")[2])
