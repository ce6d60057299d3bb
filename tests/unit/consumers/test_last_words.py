"""A consumer whose breaker has opened ends once Prometheus knows."""

import pytest

from headrace_consumers.dataset.errors import CircuitOpenError, TableError
from headrace_consumers.dataset.figures import Figures
from headrace_consumers.dataset.last_words import telling_of_the_breaker
from headrace_consumers.dataset.status import HealthLimits, Status

LIMITS = HealthLimits(stalled_s=60, failing_s=300, lag_records=100)


class World:
    """Time that passes while the consumer waits; somebody scrapes, or tells it to stop, at a moment."""

    def __init__(self, *, scraped_at: float = float("inf"), stopped_at: float = float("inf")) -> None:
        self.figures = Figures("dataset", "interactions")
        self.now = 0.0
        self._scraped_at, self._stopped_at = scraped_at, stopped_at

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        if self.now >= self._scraped_at:
            self.figures.page(Status(turned_at=0), LIMITS, now=self.now, now_ms=0)
        return self.now >= self._stopped_at

    def ends_after(self, at_most_s: float = 60, error: type[Exception] = CircuitOpenError) -> float:
        with pytest.raises(error), telling_of_the_breaker(self.figures, self.wait, at_most_s):
            raise error("9 of 9 cannot be read")
        return self.now


def test_it_ends_soon_after_a_scrape_was_told() -> None:
    assert 7 < World(scraped_at=7).ends_after() < 9


def test_it_does_not_wait_for_ever_for_a_prometheus_that_is_away() -> None:
    assert World().ends_after(30) == pytest.approx(30, abs=1)


def test_it_ends_at_once_when_it_is_told_to_and_where_nobody_scrapes() -> None:
    assert World(stopped_at=2).ends_after() < 3
    assert World().ends_after(0) == 0


def test_other_ends_are_not_held_up() -> None:
    world = World()
    assert world.ends_after(error=TableError) == 0
    with telling_of_the_breaker(world.figures, world.wait, 60):
        pass
    assert world.now == 0
