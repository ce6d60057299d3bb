"""What is to be known of one metric before it has a value."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Kind", "Metric", "Server", "Source"]


class Kind(StrEnum):
    """How its values behave."""

    counter = "counter"
    gauge = "gauge"
    histogram = "histogram"


class Source(StrEnum):
    """Where its figures come from, which says how exact they are."""

    statistics = "statistics"
    """The exact counters of all calls, from the statistics topic."""
    usage = "usage"
    """Estimates in the statistics: of the sampled calls, each weighed by 1 / sampling rate."""
    interactions = "interactions"
    """Estimates from the sampled records, each weighed by 1 / inclusion probability."""
    own = "own"
    """What the process that serves it counts of itself."""


class Server(StrEnum):
    """Which process serves it."""

    metrics = "headrace consume metrics"
    dataset = "headrace consume dataset"
    feedback = "headrace consume feedback"
    rollout = "headrace consume rollout"
    service = "headrace.prometheus.register()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        name: as in a query; a counter's ends in `_total`, a histogram's has no `_bucket`, `_count` or `_sum`.
        kind: how its values behave.
        help: one line for `# HELP`.
        comment: what a reader of the figure should know; may be empty.
        unit: seconds, bytes, records, ..., and `1` for a ratio.
        labels: in the order in which they are written.
        bounds: of a histogram's buckets, in its unit, ascending, without infinity.
        source: where its figures come from.
        served_by: the processes that have it.
    """

    name: str
    kind: Kind
    help: str
    unit: str
    source: Source
    served_by: tuple[Server, ...]
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    comment: str = ""

    @property
    def family(self) -> str:
        """The name without a counter's `_total`, as OpenMetrics and prometheus-client want it."""
        return self.name.removesuffix("_total") if self.kind is Kind.counter else self.name
