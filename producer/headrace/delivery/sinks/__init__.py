"""Where records go: Kafka, else a JSON Lines file; a list in tests."""

from headrace.config import Config
from headrace.delivery.sinks.jsonl import JsonlSink
from headrace.delivery.sinks.kafka import KafkaSink
from headrace.delivery.sinks.memory import MemorySink
from headrace.delivery.sinks.protocol import Done, Returned, Sink

__all__ = ["Done", "JsonlSink", "KafkaSink", "MemorySink", "Returned", "Sink", "sink_for"]


def sink_for(config: Config) -> Sink:
    """Return the configured sink; nothing is opened before the first record.

    Raises:
        ConfigError: a Kafka option contradicts what the guarantees rest on.
    """
    return KafkaSink(config) if config.kafka.bootstrap_servers is not None else JsonlSink(config)
