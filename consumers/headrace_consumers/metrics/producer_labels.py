"""Under which labels the gauges of a producer stand: the first producers and services have their own. Pure."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from headrace_consumers.metrics.labels import OTHER, Labels
from headrace_consumers.monitoring.catalogue.producers import LAST_REPORT, PRODUCER_COUNT
from headrace_consumers.statistics.beginning import RECALL_MS
from headrace_consumers.statistics.producers import Producer
from headrace_consumers.statistics.series import Key
from headrace_schemas import Statistics

__all__ = ["MAX_SHOWN_PRODUCERS", "ProducerLabels"]

MAX_SHOWN_PRODUCERS: Final = 1_000
"""Producers that have gauges of their own; one that ended, or is as silent as those that are not shown, makes room."""


class ProducerLabels:
    """Counts a producer's record for its gauges, and names it on the page.

    Args:
        labels: of services; it counts what goes to `other`.
        now_ms: Unix time.
    """

    def __init__(self, labels: Labels, now_ms: Callable[[], int]) -> None:
        self._services = labels
        self._producers = Labels(
            lambda: now_ms() / 1000,
            max_series=MAX_SHOWN_PRODUCERS,
            silent_s=RECALL_MS / 1000,
            overflow=labels.overflow,
        )

    def take(self, record: Statistics) -> None:
        """Take in a record: its producer takes a place where there is one, and leaves it where it ends."""
        service, environment, instance = record["service"], record["environment"], record["instance"]
        if record["is_last"]:
            self._producers.forget(_key(service, environment, instance))
            return
        self._services.place((PRODUCER_COUNT.name, (service, environment)))
        self._producers.place(_key(service, environment, instance))

    def named(self, producer: Producer) -> Producer:
        """Return a producer with the names that it has on the page."""
        service, environment = self._services.find((PRODUCER_COUNT.name, (producer.service, producer.environment)))[1]
        _, (*_, instance) = self._producers.find(_key(producer.service, producer.environment, producer.instance))
        is_own = (service, environment) != (OTHER, OTHER)
        return replace(producer, service=service, environment=environment, instance=instance if is_own else OTHER)


def _key(service: str, environment: str, instance: str) -> Key:
    return LAST_REPORT.name, (service, environment, instance)
