"""Statistics are cumulative: whatever is lost, repeated or reordered, the newest record of each instance tells all."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from headrace.config.telemetry import Telemetry
from headrace.counters import Counters
from headrace.delivery.statistics import StatisticsPublisher, _release
from headrace.ledger import Ledger

KEY = ("support", "baseline", "Answer")


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def publisher(interval_s=10.0, counted=1):
    clock, counters = Clock(), Counters()
    for _ in range(counted):
        counters.add(KEY, 0.5)
    telemetry = Telemetry(statistics_interval_s=interval_s, service="shop", environment="staging")
    made = StatisticsPublisher(counters, Ledger("host-1"), telemetry, clock=clock, time_ns=lambda: 7_000_000)
    return made, clock, counters


def test_a_program_that_is_bundled_without_metadata_names_no_release():
    assert _release("no-such-distribution") == "unknown"


def test_a_record_is_due_every_interval():
    statistics, clock, _ = publisher()
    assert statistics.due_in_s() == 10
    assert statistics.take() is None
    clock.now_s += 4
    assert statistics.due_in_s() == 6
    clock.now_s += 6
    assert statistics.due_in_s() == 0
    record = statistics.take().record
    assert record["sequence"] == 1
    statistics.end()
    assert statistics.take() is None
    assert statistics.due_in_s() == 10


def test_a_record_says_whose_it_is_and_what_the_ledger_knows():
    clock, counters, ledger = Clock(), Counters(), Ledger("host-1")
    counters.add(KEY, 0.5)
    ledger.open().deliver()
    ledger.open()
    ledger.refuse("queue_full")
    ledger.add_program_failure("digest")
    ledger.add_program_failure("digest")
    telemetry = Telemetry(service="shop", environment="staging")
    record = StatisticsPublisher(counters, ledger, telemetry, clock=clock, time_ns=lambda: 7_000_000).take_last().record
    assert record | {"calls": [], "release": ""} == {
        "instance": "host-1",
        "started_at_ms": 7,
        "sequence": 1,
        "timestamp_ms": 7,
        "is_last": True,
        "service": "shop",
        "environment": "staging",
        "release": "",
        "sampled": 3,
        "adopted": 0,
        "delivered": 1,
        "spooled": 0,
        "in_flight": 1,
        "dropped": [{"name": "queue_full", "count": 1}],
        "spool_bytes": 0,
        "program_failures": [{"name": "digest", "count": 2}],
        "calls": [],
    }
    assert record["release"]
    assert record["calls"][0]["calls"] == 1


@pytest.mark.parametrize(("spooled", "said"), [(False, 0), (True, 4_096)])
def test_a_record_says_how_much_is_on_disk_and_asks_the_disk_only_where_something_is(spooled, said):
    asked, counters, ledger = [], Counters(), Ledger("host-1")
    counters.add(KEY, 0.5)
    if spooled:
        ledger.open().spool()
    statistics = StatisticsPublisher(counters, ledger, Telemetry(), spool_bytes=lambda: asked.append(1) or 4_096)
    assert statistics.take_last().record["spool_bytes"] == said
    assert bool(asked) == spooled


def test_while_one_is_under_way_none_is_taken_and_the_next_is_the_newest():
    statistics, clock, counters = publisher()
    statistics.due_in_s()
    clock.now_s += 10
    assert statistics.take().record["calls"][0]["calls"] == 1
    for _ in range(20):
        clock.now_s += 10
        counters.add(KEY, 0.5)
        assert statistics.take() is None
        assert statistics.due_in_s() == float("inf")
    statistics.end()
    record = statistics.take().record
    assert (record["sequence"], record["calls"][0]["calls"]) == (2, 21)


def test_nothing_is_published_before_a_call_was_counted_nor_where_it_is_off():
    for statistics, clock, _ in (publisher(counted=0), publisher(interval_s=0)):
        clock.now_s += 1000
        assert statistics.due_in_s() == float("inf")
        assert statistics.take() is None
        assert statistics.take_last() is None
        told = []
        statistics.hurry(lambda told=told: told.append(1))
        assert told == [1]


def test_the_last_one_comes_whatever_is_under_way_and_nothing_follows_or_is_counted():
    statistics, clock, counters = publisher()
    statistics.due_in_s()
    clock.now_s += 10
    statistics.take()
    counters.add(KEY, 0.5)
    last = statistics.take_last().record
    assert (last["is_last"], last["sequence"], last["calls"][0]["calls"]) == (True, 2, 2)
    assert not counters.add(KEY, 0.5)
    statistics.end()
    clock.now_s += 100
    assert statistics.take() is None
    assert statistics.take_last() is None


def test_a_hurried_record_is_due_at_once_and_its_end_is_told():
    statistics, clock, counters = publisher()
    told = []
    statistics.due_in_s()
    clock.now_s += 10
    statistics.take()  # before the hurry: its end is not the one that is waited for
    counters.add(KEY, 0.5)
    statistics.hurry(lambda: told.append(1))
    statistics.end()
    assert told == []
    assert statistics.take().record["calls"][0]["calls"] == 2
    statistics.end()
    assert told == [1]


class LosingRepeatingReordering(RuleBasedStateMachine):
    """Calls in several instances, forks included; a consumer that is given what is left of their records."""

    def __init__(self):
        super().__init__()
        self.instances = []
        self.log = []
        self.calls = self.errors = 0
        self.begin()

    @rule()
    def begin(self):
        """A new process, or a forked child, which counts from zero under a name of its own."""
        made, clock, counters = publisher(counted=0)
        made._ledger = Ledger(f"host-{len(self.instances)}")
        self.instances.append((made, clock, counters))

    @rule(at=st.integers(0, 9), failed=st.booleans(), times=st.integers(1, 5))
    def call(self, at, failed, times):
        _, _, counters = self.instances[at % len(self.instances)]
        for _ in range(times):
            counters.add(KEY, 0.5, "ValueError" if failed else None)
        self.calls += times
        self.errors += times * failed

    @rule(at=st.integers(0, 9), lost=st.booleans(), pause_s=st.sampled_from([1.0, 10.0, 35.0]))
    def publish(self, at, lost, pause_s):
        statistics, clock, _ = self.instances[at % len(self.instances)]
        clock.now_s += pause_s
        taken = statistics.take()
        if taken is not None:
            statistics.end()
            if not lost:
                self.log.append(taken.record)

    @rule(at=st.integers(0, 9))
    def repeat(self, at):
        if self.log:
            self.log.append(self.log[at % len(self.log)])

    @rule(random=st.randoms())
    def reorder(self, random):
        random.shuffle(self.log)

    @invariant()
    def the_largest_sequence_of_each_instance_makes_the_totals(self):
        log = [*self.log]
        for statistics, _, counters in self.instances:
            if not counters.is_empty:
                statistics._due_s = 0.0
                log.insert(0, statistics.take().record)  # the one that did get through, before all older ones
                statistics.end()
        newest = {}
        for record in log:
            known = newest.get(record["instance"])
            if known is None or record["sequence"] > known["sequence"]:
                newest[record["instance"]] = record
        series = [each for record in newest.values() for each in record["calls"]]
        assert sum(each["calls"] for each in series) == self.calls
        assert sum(count["count"] for each in series for count in each["errors"]) == self.errors


TestLosingRepeatingReordering = LosingRepeatingReordering.TestCase
TestLosingRepeatingReordering.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
