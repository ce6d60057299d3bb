"""Kafkas that one would rather not have: refusing, silent, unreachable, slow. Each is an address."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Producer

__all__ = ["UNREACHABLE", "refusing", "silent", "slow"]

UNREACHABLE: Final = "192.0.2.1:9092"
"""An address of TEST-NET-1, which no route leads to."""


@contextmanager
def refusing() -> Iterator[str]:
    """A port on which nothing listens."""
    with socket.socket() as held:  # bound and not listening: nobody else gets it
        held.bind(("127.0.0.1", 0))
        yield _address(held)


@contextmanager
def silent() -> Iterator[str]:
    """A server that accepts every connection, reads, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        threading.Thread(target=_swallow, args=(server,), daemon=True).start()
        yield _address(server)


@contextmanager
def slow(delay_ms: int) -> Iterator[str]:
    """A mock cluster of librdkafka's, each answer of which takes its time."""
    cluster = Producer(
        {"test.mock.num.brokers": 1, "test.mock.broker.rtt": delay_ms, "bootstrap.servers": "", "log_level": 0}
    )
    while not (brokers := cluster.list_topics(timeout=30).brokers):
        pass
    (broker,) = brokers.values()
    yield f"{broker.host}:{broker.port}"
    del cluster


def _address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


def _swallow(server: socket.socket) -> None:
    connections = []
    while True:
        try:
            connections.append(server.accept()[0])
        except OSError:
            return
