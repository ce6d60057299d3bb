"""Mutated messages: nothing raises, every one is accounted for, and the page can be read in both formats."""

import math
import random
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from headrace_consumers.metrics.counting import StatisticsCounting
from headrace_consumers.metrics.exposition import page_of
from headrace_consumers.metrics.labels import Labels
from headrace_consumers.metrics.samples import SampleCounting
from headrace_consumers.metrics.standing import Standing
from headrace_consumers.metrics.state import State
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.statistics.beginning import Beginning
from headrace_consumers.statistics.place import Reading
from headrace_schemas import statistics_codec
from tests.support.interactions import NOW_MS
from tests.support.metrics_consumer import samples
from tests.support.mutation import mutants, mutated
from tests.support.statistics import Program

COUNT = 3_000
_CODEC = statistics_codec()
_LIES: dict[str, tuple[Any, ...]] = {
    "sequence": (0, -1, 2**63 - 1),
    "started_at_ms": (0, -1, 2**63 - 1),
    "timestamp_ms": (0, -(2**63), 2**63 - 1),
    "sampled": (-1, 2**63 - 1),
    "instance": ("", "\n", '"', "i" * 10_000),
    "environment": ("", "\U0001f600", "e" * 10_000),
    "service": ("a\\b",),
}


def _statistics(count: int, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    programs = [Program(f"p{number}", NOW_MS - 60_000) for number in range(20)]
    values = []
    for _ in range(count):
        record: dict[str, Any] = {**chance.choice(programs).report(calls=chance.randrange(9), errors=1, after_ms=10)}
        if chance.random() < 0.3:
            name = chance.choice(list(_LIES))
            record[name] = chance.choice(_LIES[name])
        if chance.random() < 0.2:
            latency_s_sum = chance.choice((-1.0, float("nan"), float("inf"), 1e308))
            record["calls"] = [
                {**record["calls"][0], "latency_s_sum": latency_s_sum, "latency_counts": [1] * chance.randrange(40)}
            ]
        value = _CODEC.encode(record)  # type: ignore[arg-type]
        values.append(mutated(value, chance) if chance.random() < 0.3 else value)
    return values


def test_whatever_is_written_to_the_topics_is_accounted_for_and_leaves_a_page_that_can_be_read() -> None:
    totals, labels = Totals(), Labels(lambda: 0.0)
    statistics = StatisticsCounting("statistics", totals, labels, lambda: NOW_MS)
    sampled = SampleCounting("interactions", totals, labels, lambda: NOW_MS)
    state = State(totals, statistics, sampled, labels.overflow)
    begins = Beginning(read_from=0, start=0, complete_since_ms=None)
    for topic in ("statistics", "interactions"):
        state.assign((topic, 0), begins)
    values = {"statistics": _statistics(COUNT, 1), "interactions": [each.value for each in mutants(COUNT, 2)]}
    for topic, of_topic in values.items():
        state.take(Reading((topic, 0), offset, value, NOW_MS) for offset, value in enumerate(of_topic))
    state.show()
    shown = state.show()
    assert sum(statistics.results.values()) + sum(statistics.unreadable.values()) == COUNT
    assert sum(sampled.results.values()) + sum(sampled.unreadable.values()) == COUNT
    assert {place[0]: position.offset for place, position in shown.positions.items()} == dict.fromkeys(values, COUNT)
    page = page_of(shown, Standing(turned_at=0.0), now=0.0, now_ms=NOW_MS)
    found = samples(page.render("")[0].decode())
    assert all(math.isfinite(value) and value >= 0 for (name, _), value in found.items() if name.endswith("_total"))
    assert all(math.isfinite(value) for (name, _), value in found.items() if name.startswith("headrace_quality"))
    openmetrics = page.render("application/openmetrics-text; version=1.0.0")[0].decode()
    assert len(list(text_string_to_metric_families(openmetrics))) > 20
    # A fuzz test that only ever meets one check proves little.
    assert len(statistics.results) >= 3
    assert {"invalid_number", "undecodable"} <= set(statistics.unreadable) & set(sampled.unreadable)
