"""The queue holds what can be finished at exit: judged by how long the calls before took, by their size."""

import threading

import pytest

from headrace.config import load
from headrace.delivery import Pipeline
from headrace.delivery.footprint import footprint
from headrace.delivery.pace import Pace
from tests.unit.headrace.calls import captured_call
from tests.unit.headrace.test_pipeline import LONG_S, HeldSink


@pytest.mark.parametrize(("size", "each_s"), [(3_000, 0.0001), (50_000, 0.02), (1_000_000, 2.0)])
def test_after_some_records_the_estimate_is_what_they_took(size: int, each_s: float) -> None:
    pace = Pace()
    for _ in range(1000):
        pace.note(size, each_s)
    assert pace.seconds_for(50 * size) == pytest.approx(50 * each_s, rel=0.01)


def test_a_slow_first_record_does_not_decide_alone() -> None:
    pace = Pace()
    pace.note(3_000, 0.1)  # what is imported, compiled and looked up for the first time
    assert pace.seconds_for(3_000) < 0.005


def test_large_calls_among_small_ones_count_by_their_size() -> None:
    pace = Pace()
    for number in range(1000):
        size = 200_000 if number % 50 == 0 else 3_000
        pace.note(size, size * 1e-7)
    assert pace.seconds_for(10_000_000) == pytest.approx(1.0, rel=0.01)


def test_it_follows_a_machine_that_becomes_busy() -> None:
    pace = Pace()
    for each_s in [0.001] * 500 + [0.01] * 500:
        pace.note(3_000, each_s)
    assert pace.seconds_for(3_000) == pytest.approx(0.01, rel=0.05)


class TickingClock:
    """Each look at it takes its time, so each record does."""

    def __init__(self, tick_s: float) -> None:
        self._tick_s = tick_s
        self._now_s = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            self._now_s += self._tick_s
            return self._now_s


@pytest.mark.parametrize(("exit_timeout_s", "budget_s"), [(5, 2.0), (0, 1.0)])
def test_a_queue_that_would_not_be_finished_in_time_takes_no_more(exit_timeout_s: float, budget_s: float) -> None:
    sink = HeldSink()
    sink.is_stuck = True
    tick_s = 1.0
    config = load(None, {"telemetry": {"exit_timeout_s": exit_timeout_s, "statistics_interval_s": 0}}, {})
    pipeline = Pipeline(config, make_sink=lambda _: sink, clock=TickingClock(tick_s))
    try:
        assert pipeline.submit(captured_call(0))
        assert sink.in_send.wait(LONG_S)  # it took a tick to finish, and the thread is stuck with it
        taken = [pipeline.submit(captured_call(number)) for number in range(1, 1000)]
        assert taken == sorted(taken, reverse=True)
        pace, size = Pace(), footprint(captured_call(0))
        pace.note(size, tick_s)
        assert sum(taken) == pytest.approx(budget_s / pace.seconds_for(size), rel=0.1)
        assert pipeline.stats().dropped == {"queue_s_full": 999 - sum(taken)}
    finally:
        sink.release.set()
        pipeline.close(0)
