"""The broker that the tests ask for, whichever way it comes; and what each way has to say."""

import logging
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

__all__ = [
    "BROKER_SETTINGS",
    "KAFKA_VERSION",
    "Broker",
    "UnavailableError",
    "answers",
    "new_cluster_id",
    "quiet_client",
]

KAFKA_VERSION: Final = "4.3.1"

BROKER_SETTINGS: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    # One broker holds all copies.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "default.replication.factor": "1",
    "group.initial.rebalance.delay.ms": "0",  # by default each new group waits 3 s
    "group.min.session.timeout.ms": "1000",  # tests kill members, and should not wait 6 s for the group to notice
    "group.consumer.min.session.timeout.ms": "1000",  # the same for group.protocol=consumer, where the broker sets them
    "group.consumer.session.timeout.ms": "1500",
    "group.consumer.min.heartbeat.interval.ms": "200",
    "group.consumer.heartbeat.interval.ms": "400",
    "metadata.max.idle.interval.ms": "0",  # an idle broker writes no record twice a second: a third of what it does
    "auto.create.topics.enable": "false",  # a misspelt topic must be an error
}


class UnavailableError(Exception):
    """One way to a broker is closed; `str()` says why, and what to do, in one line."""


@dataclass(frozen=True, kw_only=True)
class Broker:
    """A running broker.

    Attributes:
        bootstrap_servers: HOST:PORT.
        how: env, docker or maven.
        startup_s: seconds until it answered.
        stop: ends it; what the environment gave is left alone.
    """

    bootstrap_servers: str
    how: str
    startup_s: float
    stop: Callable[[], None]


def quiet_client(bootstrap_servers: str) -> dict[str, object]:
    """Return librdkafka options for a client that retries fast and does not print that it does."""
    logger = logging.getLogger("tests.support.kafka")
    logger.setLevel(logging.CRITICAL)
    return {
        "bootstrap.servers": bootstrap_servers,
        "logger": logger,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 200,
    }


def answers(bootstrap_servers: str, alive: Callable[[], bool], timeout_s: float) -> str | None:
    """Return the cluster id of a broker as soon as it answers, or None: it has died, or the time is over."""
    admin = AdminClient(quiet_client(bootstrap_servers))
    deadline = time.monotonic() + timeout_s
    while alive() and time.monotonic() < deadline:
        try:
            admin.list_topics(timeout=0.5)  # blocks until the broker is up or the half second over
            return str(admin.describe_cluster(request_timeout=5).result(timeout=6).cluster_id)
        except KafkaException:
            continue
    return None


def new_cluster_id() -> str:
    """Return an id by which a run knows its own broker, should another one take the port that was free."""
    text = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return text if not text.startswith("-") else new_cluster_id()  # it would read as an option
