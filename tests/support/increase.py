"""What Prometheus makes of scraped values: `increase()` without its extrapolation, as a value."""

from collections import defaultdict
from collections.abc import Hashable, Mapping

__all__ = ["Scraped"]


class Scraped:
    """The samples of a run, by target and series."""

    def __init__(self) -> None:
        self._last: dict[tuple[Hashable, Hashable], float] = {}
        self._increase: defaultdict[Hashable, float] = defaultdict(float)

    def scrape(self, target: Hashable, samples: Mapping[Hashable, float]) -> None:
        """Take in what a target serves; the first value of a series is taken for granted, a smaller one is a reset."""
        for series, value in samples.items():
            last = self._last.get((target, series))
            if last is not None:
                self._increase[series] += value - last if value >= last else value
            self._last[target, series] = value

    def increase(self) -> dict[Hashable, float]:
        """Return by how much each series grew over the run, over all targets; those that did."""
        return {series: grown for series, grown in self._increase.items() if grown}
