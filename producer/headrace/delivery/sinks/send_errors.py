"""Whose fault it is that Kafka did not take a message: the one list, for all who send."""

from enum import Enum, auto
from typing import Any, Final

__all__ = ["Fault", "fault_of"]


class Fault(Enum):
    """Whose it is.

    Attributes:
        MESSAGE: this very message meets it again; others do not.
        TOPIC: every message to this topic meets it, until somebody mends the topic or gives a right.
        BROKER: every message meets it: of the cluster, the connection, the client or its user. It may pass.
        UNKNOWN: of an error that is none of these. Who can send a message alone finds out; who cannot, keeps it.
    """

    MESSAGE = auto()
    TOPIC = auto()
    BROKER = auto()
    UNKNOWN = auto()


_NAMES: Final = {
    Fault.MESSAGE: (
        "MSG_SIZE_TOO_LARGE",
        "INVALID_MSG_SIZE",
        "RECORD_LIST_TOO_LARGE",
        "INVALID_RECORD",
        "INVALID_TIMESTAMP",
        "_BAD_MSG",
    ),
    Fault.TOPIC: (
        "_UNKNOWN_TOPIC",
        "UNKNOWN_TOPIC_OR_PART",
        "TOPIC_EXCEPTION",
        "TOPIC_AUTHORIZATION_FAILED",
    ),
    Fault.BROKER: (
        "_MSG_TIMED_OUT",
        "_TIMED_OUT",
        "_TIMED_OUT_QUEUE",
        "_TRANSPORT",
        "_RESOLVE",
        "_ALL_BROKERS_DOWN",
        "_AUTHENTICATION",
        "_SSL",
        "_PURGE_QUEUE",
        "_PURGE_INFLIGHT",
        "_QUEUE_FULL",
        "_FATAL",
        "_FENCED",
        "_STATE",
        "BROKER_NOT_AVAILABLE",
        "LEADER_NOT_AVAILABLE",
        "NOT_LEADER_FOR_PARTITION",
        "REPLICA_NOT_AVAILABLE",
        "NOT_ENOUGH_REPLICAS",
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        "KAFKA_STORAGE_ERROR",
        "NETWORK_EXCEPTION",
        "REQUEST_TIMED_OUT",
        "THROTTLING_QUOTA_EXCEEDED",
        "CLUSTER_AUTHORIZATION_FAILED",
        "SASL_AUTHENTICATION_FAILED",
    ),
}
_FAULTS: Final = {name: fault for fault, names in _NAMES.items() for name in names}


def fault_of(error: Any) -> Fault:
    """Return whose fault an error is.

    Args:
        error: a `confluent_kafka.KafkaError` that sending a message met.
    """
    return Fault.BROKER if error.fatal() else _FAULTS.get(error.name(), Fault.UNKNOWN)
