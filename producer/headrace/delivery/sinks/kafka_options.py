"""librdkafka's options for a producer: ours, the user's over them, and those that the guarantees rest on."""

from collections.abc import Mapping
from typing import Any, Final

from headrace.client_options import client_options
from headrace.config import Config
from headrace.errors import ConfigError

__all__ = ["producer_options"]

_PINNED: Final[Mapping[str, Any]] = {
    # All copies of a key must meet in one partition, whatever client wrote them: librdkafka's default differs.
    "partitioner": "murmur2_random",
    # Without these a retry can reorder or double records.
    "enable.idempotence": True,
    "acks": "all",
}
_SAME: Final[Mapping[str, frozenset[str]]] = {
    "partitioner": frozenset({"murmur2_random"}),
    "enable.idempotence": frozenset({"true"}),
    "acks": frozenset({"all", "-1"}),
    "request.required.acks": frozenset({"all", "-1"}),
}
"""Option -> the values that mean the pinned one."""

_DEFAULTS: Final[Mapping[str, Any]] = {
    "client.id": "headrace",
    "compression.type": "lz4",
    # With five requests under way and more to send, librdkafka's thread keeps a processor busy: on a broker that takes
    # 200 ms to answer that was so at 50 ms, and is not at 250 ms. A flush, and an exit, does not wait for it.
    "linger.ms": 250,
    # A record that the broker does not take for so long goes to disk: until then only memory has it.
    "message.timeout.ms": 30_000,
    # How long after the broker is back that may be unknown here.
    "reconnect.backoff.max.ms": 2_000,
    # What may wait in somebody's service: librdkafka's own default is a gigabyte.
    "queue.buffering.max.kbytes": 65_536,
    # Each takes about 1.5 kB here beside its bytes.
    "queue.buffering.max.messages": 20_000,
}


def producer_options(config: Config) -> dict[str, Any]:
    """Return the options.

    Raises:
        ConfigError: the user's options contradict a pinned one, or a secret cannot be read.
    """
    given: dict[str, Any] = {}
    for section, options in (
        ("options", client_options(config.kafka)),
        ("producer_options", config.kafka.producer_options),
    ):
        for name, value in options.items():
            _check(f"kafka.{section}.{name}", name, value)
            given[name] = value
    return {**_DEFAULTS, "bootstrap.servers": config.kafka.bootstrap_servers, **given, **_PINNED}


def _check(key: str, name: str, value: object) -> None:
    same = _SAME.get(name)
    if same is not None and str(value).lower() not in same:
        raise ConfigError(f"{key}: found {value!r}, expected {max(same)}; exactly once rests on it")
    if name == "transactional.id":
        raise ConfigError(f"{key}: not supported; the producer is idempotent and the dataset consumer deduplicates")
