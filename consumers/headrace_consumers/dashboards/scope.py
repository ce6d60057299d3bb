"""PromQL over metrics of the catalogue, of what the reader of a dashboard has chosen.

Durations are Grafana's: `$__rate_interval` for a graph, wide enough for a rate whatever the zoom, and `$__range`, the
whole time that is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headrace_consumers.metrics.alerts.promql import at_most, total
from headrace_consumers.monitoring.metric import Kind, Metric

__all__ = ["OVERALL", "POINT", "Scope", "or_zero", "quantile", "share"]

POINT: Final = "$__rate_interval"
"""Of one point of a graph."""
OVERALL: Final = "$__range"
"""All that is looked at."""
_BEFORE: Final = "5m"
"""How long before the chosen time a process is looked for, as Prometheus looks for a series."""
_LE: Final = "le"
_HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Scope:
    """Cuts metrics down to the values of labels that are chosen.

    Attributes:
        labels: those that a reader chooses by.
    """

    labels: tuple[str, ...]

    def of(self, metric: Metric, matching: str = "", *, part: str = "") -> str:
        """Return the series of a metric that are chosen.

        Args:
            metric: of the catalogue.
            matching: further matchers.
            part: of a histogram: _bucket, _count or _sum.

        Raises:
            ValueError: a part of what is no histogram, or none of one.
        """
        if bool(part) != (metric.kind is Kind.histogram):
            raise ValueError(f"{metric.name}{part}: a histogram has _bucket, _count and _sum, others have no parts")
        matchers = [f'{label}=~"${label}"' for label in self.labels if label in metric.labels]
        matchers += [matching] if matching else []
        return f"{metric.name}{part}{{{', '.join(matchers)}}}" if matchers else f"{metric.name}{part}"

    def rate(self, metric: Metric, by: Sequence[str] = (), over: str = POINT, matching: str = "") -> str:
        """Return what a counter grows by in a second, summed by labels."""
        return self._grown("rate", metric, by, over, matching)

    def hourly(self, metric: Metric, by: Sequence[str] = (), over: str = POINT, matching: str = "") -> str:
        """Return what a counter grows by in an hour at this pace, summed by labels."""
        return f"{_HOUR_S} * {self.rate(metric, by, over, matching)}"

    def increase(self, metric: Metric, by: Sequence[str] = (), over: str = OVERALL, matching: str = "") -> str:
        """Return what a counter grew by, summed by labels."""
        return self._grown("increase", metric, by, over, matching)

    def seen(self, metric: Metric, by: Sequence[str] = (), over: str = OVERALL, matching: str = "") -> str:
        """Return what a counter grew by, its first value too, where its process was scraped before.

        `increase` takes what a series begins with for its past, and so would not show the first dead letter. A scrape
        that failed just then says nothing of what was there before.
        """
        series = self._counter(metric, by, matching)
        there = f"last_over_time({series}[{_BEFORE}] offset {over})"
        scraped = f"max_over_time(up[{_BEFORE}] offset {over}) == 1"
        born = f"{series} unless {there} and on (job, instance) ({scraped})"
        return total(f"({born}) or increase({series}[{over}])", by)

    def buckets(self, metric: Metric, by: Sequence[str] = (), over: str = POINT, matching: str = "") -> str:
        """Return what each bucket of a histogram grew by in a second, summed by labels."""
        _check(metric, by)
        return total(f"rate({self.of(metric, matching, part='_bucket')}[{over}])", (*by, _LE))

    def within(self, metric: Metric, bound: float, by: Sequence[str] = (), over: str = POINT) -> str:
        """Return how often in a second at most so much was observed, by labels; exact, for it is a bucket's bound."""
        _check(metric, by)
        return total(f"rate({self.of(metric, at_most(bound), part='_bucket')}[{over}])", by)

    def observations(self, metric: Metric, by: Sequence[str] = (), over: str = POINT) -> str:
        """Return how often in a second a histogram was observed, summed by labels."""
        _check(metric, by)
        return total(f"rate({self.of(metric, part='_count')}[{over}])", by)

    def total(self, metric: Metric, by: Sequence[str] = (), matching: str = "") -> str:
        """Return a gauge, summed by labels."""
        _check(metric, by)
        return total(self.of(metric, matching), by)

    def most(self, metric: Metric, by: Sequence[str], matching: str = "") -> str:
        """Return the largest value of a gauge, by labels."""
        _check(metric, by)
        return f"max by ({', '.join(by)}) ({self.of(metric, matching)})"

    def least(self, metric: Metric, by: Sequence[str]) -> str:
        """Return the smallest value of a gauge, by labels."""
        _check(metric, by)
        return f"min by ({', '.join(by)}) ({self.of(metric)})"

    def _counter(self, metric: Metric, by: Sequence[str], matching: str) -> str:
        if metric.kind is not Kind.counter:
            raise ValueError(f"{metric.name} is a {metric.kind}, not a counter")
        _check(metric, by)
        return self.of(metric, matching)

    def _grown(self, function: str, metric: Metric, by: Sequence[str], over: str, matching: str) -> str:
        return total(f"{function}({self._counter(metric, by, matching)}[{over}])", by)


def quantile(share_below: float, buckets: str) -> str:
    """Return a quantile, interpolated between two bounds of the histogram."""
    return f"histogram_quantile({share_below:g}, {buckets})"


def share(part: str, whole: str) -> str:
    """Return a part of a whole; both have the same labels."""
    return f"{part} / {whole}"


def or_zero(part: str, whole: str) -> str:
    """Return a part that is zero where it has no series, as errors before the first one, and the whole has."""
    return f"({part} or 0 * {whole})"


def _check(metric: Metric, by: Sequence[str]) -> None:
    """Refuse labels that a metric does not have.

    Raises:
        ValueError: there is one; Prometheus' own, job and instance, are no matter of the catalogue.
    """
    strange = [label for label in by if label not in {*metric.labels, "job", "instance"}]
    if strange:
        raise ValueError(f"{metric.name} has no label {strange[0]}")
