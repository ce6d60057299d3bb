"""The figures of several consumers as one, summed up by the labels that a row is about. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from headrace_consumers.monitoring.metric import Kind, Metric
from headrace_consumers.top.page import Key
from headrace_consumers.top.watched import Source

__all__ = ["By", "Figures"]

By: TypeAlias = dict[tuple[str, ...], float]
"""Values of labels -> figure."""

_LE: Final = "le"


class Figures:
    """Sums over consumers.

    Args:
        sources: whose; those that cannot be reached add nothing.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._values: dict[str, list[tuple[tuple[str, ...], float]]] = defaultdict(list)
        self._grown: dict[str, list[tuple[tuple[str, ...], float]]] = defaultdict(list)
        self._rates: dict[str, list[tuple[tuple[str, ...], float]]] = defaultdict(list)
        self.over_s = 0.0
        self.is_there = False
        for source in sources:
            if source.reading is None:
                continue
            self.is_there = True
            _spread(self._values, source.reading.counters)
            _spread(self._values, source.reading.gauges)
            lasted_s = source.window.lasted_s
            if lasted_s > 0:
                self.over_s = max(self.over_s, lasted_s)
                _spread(self._grown, source.window.grown)
                _spread(self._rates, {key: value / lasted_s for key, value in source.window.grown.items()})

    def values(self, metric: Metric, *labels: str) -> By:
        """Return what the pages say, summed up by these labels."""
        return _summed(self._values, metric, labels)

    def grown(self, metric: Metric, *labels: str) -> By:
        """Return what was added in the window, likewise; what did not grow is not in it."""
        return _summed(self._grown, metric, labels)

    def rates(self, metric: Metric, *labels: str) -> By:
        """Return what was added a second, likewise."""
        return _summed(self._rates, metric, labels)

    def largest(self, metric: Metric, *labels: str) -> By:
        """Return the largest of what the pages say, by these labels."""
        places = _places(metric, labels)
        found: By = {}
        for values, value in self._values.get(metric.name, ()):
            key = tuple(values[place] for place in places)
            found[key] = max(found.get(key, value), value)
        return found

    def total(self, metric: Metric) -> float:
        """Return what the pages say in all."""
        return self.values(metric).get((), 0.0)

    def buckets(self, metric: Metric, *labels: str) -> dict[tuple[str, ...], dict[float, float]]:
        """Return what was added to a histogram in the window: labels -> upper bound -> how many at most so large."""
        found: dict[tuple[str, ...], dict[float, float]] = defaultdict(dict)
        for key, value in self.grown(metric, *labels, _LE).items():
            found[key[:-1]][float(key[-1])] = value
        bounds = {float(values[-1]) for values, _ in self._values.get(metric.name, ())}
        # A bucket that did not grow is in nothing that has; all that are above it have grown at least as much.
        return {key: {bound: grown.get(bound, 0.0) for bound in bounds} for key, grown in found.items()}


def _spread(into: dict[str, list[tuple[tuple[str, ...], float]]], values: Mapping[Key, float]) -> None:
    for (name, labels), value in values.items():
        into[name].append((labels, value))


def _places(metric: Metric, labels: tuple[str, ...]) -> list[int]:
    order = (*metric.labels, _LE) if metric.kind is Kind.histogram else metric.labels
    return [order.index(label) for label in labels]


def _summed(of: Mapping[str, list[tuple[tuple[str, ...], float]]], metric: Metric, labels: tuple[str, ...]) -> By:
    places = _places(metric, labels)
    found: By = defaultdict(float)
    for values, value in of.get(metric.name, ()):
        found[tuple(values[place] for place in places)] += value
    return dict(found)
