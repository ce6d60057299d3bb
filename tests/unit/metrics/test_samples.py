"""What sampled records add, and what is estimated from them."""

from typing import Any

import pytest

from headrace_consumers.metrics.counting import StatisticsCounting
from headrace_consumers.metrics.exposition import page_of
from headrace_consumers.metrics.labels import Labels
from headrace_consumers.metrics.samples import (
    MAX_CALLS,
    MAX_OBSERVATIONS,
    WINDOW_MS,
    SampleCounting,
    cost_bounds,
)
from headrace_consumers.metrics.standing import Standing
from headrace_consumers.metrics.state import State
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.monitoring.catalogue.samples import CALL_COST, COST_BOUNDS_USD, TOKEN_USAGE
from headrace_consumers.statistics.beginning import Beginning
from headrace_consumers.statistics.place import Position, Reading
from headrace_consumers.statistics.producers import LATE_MS
from headrace_schemas import interaction_codec, statistics_codec
from headrace_schemas.vectors import EXAMPLE
from tests.support.metrics_consumer import samples as samples_in
from tests.support.statistics import NOW_MS, call_statistics, record

PLACE = ("interactions", 0)
_CODEC = interaction_codec()
_WHOSE = ("support", "v1", "Triage", "production")
_LABELS = dict(zip(("module", "version", "signature", "environment"), _WHOSE, strict=True))


class _World:
    def __init__(self) -> None:
        self.totals = Totals()
        self.now_ms = NOW_MS
        self.labels = Labels(lambda: 0.0)
        self.counting = SampleCounting("interactions", self.totals, self.labels, lambda: self.now_ms)
        self.counting.assign(PLACE, Beginning(read_from=0, start=0, complete_since_ms=None))
        self.offset = 0

    def take(self, value: bytes | None = None, *, appended_ms: int = NOW_MS, **changes: Any) -> None:
        """Take in a record, by default of a request of its own."""
        if value is None:
            value = _CODEC.encode(
                interaction(event_id=f"e{self.offset}", **{"request_id": f"r{self.offset}", **changes})
            )
        self.counting.take(Reading(PLACE, self.offset, value, appended_ms))
        self.offset += 1

    def shown(self, name: str, *more: str) -> list[float] | None:
        self.totals.show()
        return self.totals.show().get((name, (*_WHOSE, *more)))


def interaction(**changes: Any) -> Any:
    return {
        **EXAMPLE,
        "module_name": "support",
        "module_version": "v1",
        "signature": "Triage",
        "timestamp_ms": NOW_MS - 1_000,
        "latency_ms": 500.0,
        "inclusion_probability": 0.1,
        **changes,
    }


def test_a_record_stands_for_as_many_calls_as_its_probability_says() -> None:
    world = _World()
    world.take(cost_usd=0.03, tokens=12, tokens_input=10, tokens_output=2, lm_calls=3, cache_hits=1, redactions=4)
    cost = world.shown(CALL_COST.name)
    assert cost is not None
    assert [place for place, count in enumerate(cost[:-1]) if count] == [COST_BOUNDS_USD.index(0.05)]
    assert cost[COST_BOUNDS_USD.index(0.05)] == pytest.approx(10)
    assert cost[-1] == pytest.approx(0.3)
    tokens = world.shown(TOKEN_USAGE.name, "input")
    assert tokens is not None
    assert (tokens[TOKEN_USAGE.bounds.index(16)], tokens[-1]) == (10, 100)
    assert world.shown("headrace_lm_calls_total") == [30]
    assert world.shown("headrace_lm_cache_hits_total") == [10]
    assert world.shown("headrace_redactions_total") == [4]


def test_what_is_not_known_is_in_no_distribution() -> None:
    world = _World()
    world.take(
        cost_usd=None, tokens=None, tokens_input=None, tokens_output=None, lm_calls=None, cache_hits=None, redactions=0
    )
    assert world.totals.show() == {}
    assert world.totals.positions == {PLACE: Position(1, NOW_MS)}


def test_a_threshold_is_a_bound_whatever_it_is() -> None:
    assert cost_bounds(0.05) == COST_BOUNDS_USD
    assert cost_bounds(0.07)[8:11] == (0.05, 0.07, 0.1)


def test_a_record_that_is_sent_twice_counts_once() -> None:
    world = _World()
    for _ in range(2):
        world.take(_CODEC.encode(interaction(event_id="same", redactions=1)))
    assert world.shown("headrace_redactions_total") == [1]
    assert world.counting.results == {"counted": 1, "repeated": 1}


@pytest.mark.parametrize("how", ["read late", "written late"])
def test_what_is_over_five_minutes_old_is_in_no_series(how: str) -> None:
    world = _World()
    if how == "read late":
        world.now_ms = NOW_MS + LATE_MS + 1
        world.take(redactions=1)
    else:
        world.take(redactions=1, timestamp_ms=NOW_MS - LATE_MS - 501)
    assert world.shown("headrace_redactions_total") is None
    assert world.counting.results == {"late": 1}
    assert world.counting.observations() == {}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "tombstone"),
        (b"rubbish", "not_single_object"),
        (_CODEC.encode(interaction(inclusion_probability=0.0)), "invalid_number"),
        (_CODEC.encode(interaction(cost_usd=float("nan"))), "invalid_number"),
        (_CODEC.encode(interaction(tokens_input=-1)), "invalid_number"),
    ],
)
def test_what_cannot_be_read_is_counted_and_passed(value: bytes | None, reason: str) -> None:
    world = _World()
    world.counting.take(Reading(PLACE, 0, value, NOW_MS))
    assert world.counting.unreadable == {reason: 1}
    world.totals.show()
    assert world.totals.positions == {PLACE: Position(1, NOW_MS)}


def test_observations_are_the_newest_of_an_hour() -> None:
    world = _World()
    for _ in range(MAX_OBSERVATIONS + 5):
        world.take()
    assert len(world.counting.observations()[_WHOSE]) == MAX_OBSERVATIONS
    world.now_ms = NOW_MS + WINDOW_MS + 1
    assert world.counting.observations() == {}


def test_calls_that_are_too_many_to_estimate_for_are_one_until_an_hour_has_passed() -> None:
    world = _World()
    for number in range(MAX_CALLS + 3):
        world.take(module_name=f"m{number}")
    found = world.counting.observations()
    assert (len(found), len(found["other", "other", "other", "other"])) == (MAX_CALLS + 1, 3)
    assert world.labels.overflow == {"headrace_quality_requests": 3}
    world.now_ms = NOW_MS + WINDOW_MS + 1
    world.counting.observations()
    world.take(module_name="new", appended_ms=world.now_ms, timestamp_ms=world.now_ms)
    assert [whose[0] for whose in world.counting.observations()] == ["new"]


def test_the_newest_call_of_a_bucket_is_its_exemplar_until_the_series_makes_room() -> None:
    world = _World()
    world.take(latency_ms=500.0)
    world.take(latency_ms=600.0)
    world.take(latency_ms=None)
    (seen,) = world.counting.exemplars()[_WHOSE].values()
    assert (seen.request_id, seen.value) == ("r1", 0.6)
    world.counting.forget(("gen_ai_client_operation_duration_seconds", _WHOSE))
    assert world.counting.exemplars() == {}


def _page(world: _World, accept: str = "") -> str:
    statistics = StatisticsCounting("statistics", world.totals, world.labels, lambda: NOW_MS)
    state = State(world.totals, statistics, world.counting)
    state.assign(("statistics", 0), Beginning(read_from=0, start=0, complete_since_ms=0))
    value = statistics_codec().encode(record([call_statistics([0.5])]))
    state.take([Reading(("statistics", 0), 0, value, NOW_MS)])
    state.show()
    standing = Standing(turned_at=0.0)
    return page_of(state.show(), standing, now=0.0, now_ms=NOW_MS).render(accept)[0].decode()


def test_the_page_has_the_estimates_with_their_intervals() -> None:
    world = _World()
    for number in range(40):
        world.take(success=number % 10 > 0, cost_usd=0.01 if number < 29 else None)
    page = samples_in(_page(world))

    def of(name: str, bound: str | None = None) -> float | None:
        labels = _LABELS if bound is None else {**_LABELS, "bound": bound}
        return page.get((name, tuple(sorted(labels.items()))))

    assert of("headrace_quality_requests") == 40
    success = [of("headrace_quality_success_ratio", bound) for bound in ("lower", "estimate", "upper")]
    assert success == [pytest.approx(0.72964, abs=1e-4), pytest.approx(0.9), pytest.approx(0.96776, abs=1e-4)]
    assert of("headrace_quality_latency_seconds", "upper") == pytest.approx(0.5)
    assert of("headrace_quality_cost_usd", "estimate") is None  # known of 29 requests only
    assert page["headrace_sampled_records_total", (("result", "counted"),)] == 40


def test_in_openmetrics_a_latency_bucket_names_a_request() -> None:
    world = _World()
    world.take(latency_ms=500.0)
    page = _page(world, "application/openmetrics-text; version=1.0.0")
    (line,) = [line for line in page.splitlines() if "# {" in line]
    assert 'le="0.64"' in line
    assert 'request_id="r0"' in line


def test_records_of_one_request_are_one_observation() -> None:
    world = _World()
    for _ in range(100):
        world.take(request_id="always the same")
    assert "headrace_quality_success_ratio" not in _page(world)
    assert len(world.counting.observations()[_WHOSE]) == 100
