"""The page of a scrape: samples under the names of the list, in the format that the scraper asks for.

prometheus-client writes it: the text format, or OpenMetrics, which has exemplars, by the Accept header.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias, cast

from prometheus_client.core import CounterMetricFamily, Exemplar, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family

from headrace_consumers.monitoring.metric import Kind, Metric

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

__all__ = ["Page", "Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A call that stands for a bucket.

    Attributes:
        request_id: its request.
        value: what was measured, in the metric's unit.
        timestamp_s: when, Unix time.
    """

    request_id: str
    value: float
    timestamp_s: float


Exemplars: TypeAlias = Mapping[int, Seen]
"""Bucket -> a call in it."""

_LONGEST_ID = 128 - len("request_id")  # OpenMetrics: an exemplar's labels have at most 128 characters


class Page:
    """Collects samples; each metric's stand together, however they come in."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}

    def add(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a counter's or gauge's sample.

        Args:
            metric: of the list.
            value: its value.
            labels: the values of its labels, in their order.
        """
        cast("CounterMetricFamily | GaugeMetricFamily", self._family(metric)).add_metric(labels, value)

    def add_histogram(
        self,
        metric: Metric,
        vector: Sequence[float],
        *labels: str,
        bounds: Sequence[float] | None = None,
        exemplars: Exemplars | None = None,
    ) -> None:
        """Add a histogram's samples.

        Args:
            metric: of the list.
            vector: the counts by bucket, not cumulative, the last without a bound; and then the sum. Counts may be
                weights, and are rounded.
            labels: see `add`.
            bounds: other bounds than the list's.
            exemplars: calls in the buckets.
        """
        ends = [*(str(float(bound)) for bound in (bounds or metric.bounds)), "+Inf"]
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        # OpenMetrics has whole counts only; the sum up to each bound is rounded, so that errors do not add up.
        counts = map(round, accumulate(vector[:-1]))
        for place, (end, count) in enumerate(zip(ends, counts, strict=True)):
            seen = (exemplars or {}).get(place)
            if seen is None or not 0 < len(seen.request_id) <= _LONGEST_ID:
                buckets.append((end, count))
            else:
                buckets.append((end, count, Exemplar({"request_id": seen.request_id}, seen.value, seen.timestamp_s)))
        cast("HistogramMetricFamily", self._family(metric)).add_metric(labels, buckets, vector[-1])

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the page and its content type, for an Accept header."""
        encode, content_type = choose_encoder(accept)
        return encode(cast("Collector", _Collected(self._families.values()))), content_type

    def _family(self, metric: Metric) -> Family:
        family = self._families.get(metric.name)
        if family is None:
            family = self._families[metric.name] = _FAMILY[metric.kind](
                metric.family, metric.help, labels=list(metric.labels)
            )
        return family


_FAMILY = {Kind.counter: CounterMetricFamily, Kind.gauge: GaugeMetricFamily, Kind.histogram: HistogramMetricFamily}


class _Collected:
    """What prometheus-client takes for a registry."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        return iter(self._families)
