"""What all consumers' Kafka clients have in common."""

import re
import threading
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["CLOSING_THREAD", "NOT_LET_IN", "NO_GROUP", "QUIET", "close_consumer", "lacking", "said_by"]

QUIET: Final[Mapping[str, Any]] = {"log_level": 2, "client.id": "headrace"}
"""What goes wrong is told once, by exceptions and `error_cb`, and not at every attempt on standard error."""

NO_GROUP: Final = frozenset({"GROUP_AUTHORIZATION_FAILED", "_ALL_BROKERS_DOWN"})
"""What says nothing about a client that reads without a group: it needs no right to one, and librdkafka asks all the
same; and what only follows the error that explains it."""

NOT_LET_IN: Final = frozenset({"_AUTHENTICATION", "_SSL"})
"""A broker is there and refuses this client, or this client the broker: that does not pass by asking again."""

_CONNECTION_STATE: Final = re.compile(r" \(after \d+ms in state \w+\)$")

_LACKS: Final[Mapping[str, str]] = {
    "TOPIC_AUTHORIZATION_FAILED": "on this topic",
    "GROUP_AUTHORIZATION_FAILED": "to its consumer group",
    "CLUSTER_AUTHORIZATION_FAILED": "on the cluster",
}

CLOSING_THREAD: Final = "headrace-close"
_CLOSE_S: Final = 3.0


def lacking(error: Any) -> str:
    """Return what to say behind an error that is about a right which this client's user does not have; else nothing.

    Args:
        error: a `confluent_kafka.KafkaError`.
    """
    where = _LACKS.get(error.name())
    return f"; this user lacks a right {where}: an administrator's `headrace acls check` names it" if where else ""


def said_by(error: Any) -> str:
    """Return what an error says, without the state of librdkafka's own connection and the stop at its end.

    Args:
        error: a `confluent_kafka.KafkaError`.
    """
    return _CONNECTION_STATE.sub("", error.str()).rstrip(".")


def close_consumer(consumer: Any, timeout_s: float = _CLOSE_S) -> None:
    """Leave the group; a broker that is away is not waited for, and finds out by itself.

    Args:
        consumer: it is not used afterwards, and its callbacks find nothing to do.
        timeout_s: how long to wait.
    """
    # Closing waits for answers that may never come, and cannot be told to stop.
    thread = threading.Thread(target=consumer.close, name=CLOSING_THREAD, daemon=True)
    thread.start()
    thread.join(timeout_s)
