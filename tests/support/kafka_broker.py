"""A real Apache Kafka for tests, from the first of three ways that is open.

    env     HEADRACE_TEST_KAFKA=HOST:PORT, a broker that runs already
    docker  a container of the public image, where an engine answers and has or can pull it
    maven   Kafka's jars and Java 17

HEADRACE_TEST_KAFKA_VIA names one of the three to insist on it. To keep one broker for many test runs:

    python -m tests.support.kafka_broker        prints HEADRACE_TEST_KAFKA=HOST:PORT, runs until Ctrl-C
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from tests.support import kafka_docker, kafka_maven
from tests.support.kafka_settings import Broker, UnavailableError, answers

__all__ = ["ENV_BROKER", "ENV_VIA", "NoKafkaError", "start"]

ENV_BROKER: Final = "HEADRACE_TEST_KAFKA"
ENV_VIA: Final = "HEADRACE_TEST_KAFKA_VIA"
_ANSWER_TIMEOUT_S: Final = 10

Way: TypeAlias = Callable[[Mapping[str, str]], Broker]


class NoKafkaError(Exception):
    """No way is open; `str()` has one line for each, and what to do."""


def start(environ: Mapping[str, str] = os.environ) -> tuple[Broker, list[str]]:
    """Return a broker, and why the ways before it were closed, a line each.

    Raises:
        NoKafkaError: none is to be had, or not in the way that was insisted on.
    """
    ways = _ways(environ)
    closed: list[str] = []
    for name, way in ways.items():
        try:
            return way(environ), closed
        except UnavailableError as error:
            closed.append(f"{name}: {error}")
    raise NoKafkaError("\n".join(("These tests need a real Apache Kafka, and none is to be had:", *closed)))


def _ways(environ: Mapping[str, str]) -> dict[str, Way]:
    ways: dict[str, Way] = {"env": _given, "docker": kafka_docker.start, "maven": kafka_maven.start}
    insisted = environ.get(ENV_VIA)
    if insisted:
        if insisted not in ways:
            raise NoKafkaError(f"{ENV_VIA}: found {insisted!r}, expected one of {', '.join(ways)}")
        return {insisted: ways[insisted]}
    if environ.get(ENV_BROKER):
        return {"env": _given}  # who names a broker wants no other
    del ways["env"]
    return ways


def _given(environ: Mapping[str, str]) -> Broker:
    address = environ.get(ENV_BROKER)
    if not address:
        raise UnavailableError(f"{ENV_BROKER} is not set; expected HOST:PORT")
    if answers(address, lambda: True, _ANSWER_TIMEOUT_S) is None:
        raise UnavailableError(
            f"{ENV_BROKER}={address} does not answer within {_ANSWER_TIMEOUT_S} s; start it, or unset the variable"
        )
    return Broker(bootstrap_servers=address, how="env", startup_s=0, stop=lambda: None)


def _main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    try:
        broker, closed = start()
        sys.stderr.write("".join(f"not via {line}\n" for line in closed))
        sys.stdout.write(f"{ENV_BROKER}={broker.bootstrap_servers}\n")
        sys.stdout.flush()
        signal.pause()
    except NoKafkaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 0  # its lifeline ends the broker with this process
    return 0


if __name__ == "__main__":
    sys.exit(_main())
