"""A consumer's page as numbers, under the names of the catalogue. Pure."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from prometheus_client.openmetrics.parser import text_string_to_metric_families as of_openmetrics
from prometheus_client.parser import text_string_to_metric_families as of_text

from headrace_consumers.monitoring.catalogue import calls, consumers, dataset, producers, samples
from headrace_consumers.monitoring.metric import Kind, Metric

__all__ = ["READ", "Key", "NoPageError", "Reading", "read"]

Key: TypeAlias = tuple[str, tuple[str, ...]]
"""A metric's name, and the values of its labels as the catalogue orders them; of a bucket, its bound comes last."""

READ: Final[tuple[Metric, ...]] = (
    *(calls.CALLS_TOTAL, calls.CALL_ERRORS, calls.CALLS_CANCELLED, calls.CALLS_SAMPLED, calls.CALL_DURATION),
    *(calls.TOKENS, calls.COST, calls.LATE_CALLS, samples.CALL_COST),
    *(producers.PRODUCER_COUNT, producers.LAST_REPORT, producers.PRODUCER_RECORDS, producers.SPOOL_BYTES),
    *(producers.IMBALANCE, producers.RECORDS_DROPPED),
    *(dataset.EXAMPLES, dataset.DUPLICATES, dataset.REJECTED, dataset.COMMITS, dataset.COMMIT_FAILING),
    *(dataset.SEEN_SET_KEYS, dataset.SEEN_SET_BYTES),
    *(consumers.BUILD, consumers.HEALTHY, consumers.READY, consumers.RECORDS, consumers.LAG_RECORDS),
    *(consumers.LAG_SECONDS, consumers.DEAD_LETTERS, consumers.CIRCUIT_OPEN, consumers.DISK_FREE),
    *(consumers.DISK_SIZE, consumers.UNREADABLE, consumers.KAFKA_SILENT, consumers.LAST_COMMIT),
)
"""What is read of a page; the rest is passed over."""

_BUCKET: Final = "_bucket"
_BY_SAMPLE: Final = {f"{each.name}{_BUCKET if each.kind is Kind.histogram else ''}": each for each in READ}


class NoPageError(ValueError):
    """What was sent is no page of a Headrace consumer; says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The page of one consumer.

    Attributes:
        consumer: metrics, dataset or feedback.
        release: of Headrace.
        counters: ever growing, with the buckets of histograms, each of which counts those below it too.
        gauges: how it stands.
    """

    consumer: str
    release: str
    counters: Mapping[Key, float]
    gauges: Mapping[Key, float]

    @property
    def is_ready(self) -> bool:
        """Whether it has caught up with what was written while it was away."""
        return any(value for (name, _), value in self.gauges.items() if name == consumers.READY.name)

    @property
    def records(self) -> float:
        """How many records the process has dealt with; never falls while it lives."""
        return sum(value for (name, _), value in self.counters.items() if name == consumers.RECORDS.name)


def read(text: str, content_type: str = "") -> Reading:
    """Return what a page says.

    Args:
        text: the page, in Prometheus' text format or OpenMetrics.
        content_type: tells which.

    Raises:
        NoPageError: it is neither, or not of a Headrace consumer.
    """
    parse = of_openmetrics if content_type.startswith("application/openmetrics-text") else of_text
    try:
        families = list(parse(text))
    except Exception as error:  # the parsers raise whatever their code meets
        raise NoPageError("answers, but not with a page of metrics") from error
    counters: dict[Key, float] = {}
    gauges: dict[Key, float] = {}
    for metric, key, value in _known(families):
        (gauges if metric.kind is Kind.gauge else counters)[key] = value
    builds = [labels for name, labels in gauges if name == consumers.BUILD.name]
    if not builds:
        raise NoPageError("answers, but is no Headrace consumer")
    named = dict(zip(consumers.BUILD.labels, builds[0], strict=True))
    return Reading(named["consumer"], named["release"], counters, gauges)


def _known(families: Iterable[Any]) -> Iterator[tuple[Metric, Key, float]]:
    for family in families:
        for sample in family.samples:
            metric = _BY_SAMPLE.get(sample.name)
            if metric is None or not math.isfinite(sample.value):
                continue
            labels = tuple(sample.labels.get(name, "") for name in metric.labels)
            if metric.kind is Kind.histogram:
                labels = (*labels, sample.labels.get("le", ""))
            yield metric, (metric.name, labels), float(sample.value)
