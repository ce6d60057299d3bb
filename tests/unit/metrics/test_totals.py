"""What Prometheus counts is what the records say: over kills, restarts, members and partitions that move."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_consumers.metrics.counting import StatisticsCounting
from headrace_consumers.metrics.labels import Labels
from headrace_consumers.metrics.totals import Totals
from headrace_consumers.monitoring.catalogue.calls import CALL_DURATION, CALL_ERRORS, CALLS_TOTAL
from headrace_consumers.statistics.beginning import Beginning
from headrace_consumers.statistics.place import Position, Reading
from headrace_schemas import statistics_codec
from headrace_schemas.latency import BOUNDS_S
from tests.support.increase import Scraped
from tests.support.statistics import NOW_MS, Program, call_statistics, record

_CALLS = CALLS_TOTAL.name
_CODEC = statistics_codec()
_TOPIC = "statistics"


class _Log:
    """A topic of two partitions: what programs have written, and which offsets are committed."""

    def __init__(self) -> None:
        self.partitions: dict[int, list[bytes]] = {0: [], 1: []}
        self.committed: dict[int, int] = {0: 0, 1: 0}

    def append(self, partition: int, record: Any) -> None:
        self.partitions[partition].append(_CODEC.encode(record))


class _Member:
    """A process that reads the log."""

    def __init__(self, name: str, log: _Log) -> None:
        self.name = name
        self.log = log
        self.totals: Totals = Totals()
        self.counting = StatisticsCounting(_TOPIC, self.totals, Labels(lambda: 0.0), lambda: NOW_MS)
        self.next: dict[int, int] = {}

    def assign(self, partition: int) -> None:
        begins = Beginning(read_from=0, start=self.log.committed[partition], complete_since_ms=0)
        self.counting.assign((_TOPIC, partition), begins)
        self.next[partition] = 0

    def read(self, at_most: int = 1_000) -> None:
        for partition in self.next:
            end = min(len(self.log.partitions[partition]), self.next[partition] + at_most)
            for offset in range(self.next[partition], end):
                value = self.log.partitions[partition][offset]
                self.counting.take(Reading((_TOPIC, partition), offset, value, NOW_MS))
            self.next[partition] = end

    def scrape(self, prometheus: Scraped) -> None:
        prometheus.scrape(self.name, {key: sum(vector[:-1] or vector) for key, vector in self.totals.show().items()})
        for (_, partition), position in self.totals.positions.items():
            self.log.committed[partition] = position.offset

    def give_up(self, partition: int) -> None:
        place = (_TOPIC, partition)
        self.counting.unassign(place)
        self.log.committed[partition] = max(self.log.committed[partition], self.next.pop(partition))
        self.totals.settle(place)

    def again(self) -> "_Member":
        """Return what a supervisor starts after this one was killed."""
        member = _Member(self.name, self.log)
        for partition in self.next:
            member.assign(partition)
        return member

    def lose(self, partition: int) -> None:
        place = (_TOPIC, partition)
        self.next.pop(partition)
        self.counting.unassign(place)
        self.totals.discard(place)


def _move(partition: int, members: list[_Member], prometheus: Scraped, *, is_given: bool) -> None:
    giver, taker = members if partition in members[0].next else reversed(members)
    if is_given:
        giver.read()
        giver.give_up(partition)
        for _ in range(2):  # a member that was killed before would take with it what it has not shown
            giver.scrape(prometheus)
    else:
        giver.lose(partition)
    taker.assign(partition)


def _truth(programs: list[Program]) -> dict[str, float]:
    return {
        _CALLS: sum(program.calls for program in programs),
        CALL_DURATION.name: sum(program.calls for program in programs),
        CALL_ERRORS.name: sum(program.errors for program in programs),
    }


def _seen(prometheus: Scraped) -> dict[str, float]:
    seen: dict[str, float] = dict.fromkeys((_CALLS, CALL_DURATION.name, CALL_ERRORS.name), 0)
    for (name, _), grown in prometheus.increase().items():
        if name in seen:
            seen[name] += grown
    return seen


_STEPS = st.one_of(
    st.tuples(st.just("report"), st.integers(0, 3), st.integers(0, 9)),
    st.tuples(st.just("read"), st.integers(0, 1), st.integers(1, 4)),
    st.tuples(st.just("scrape"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("kill"), st.integers(0, 1), st.just(0)),
    st.tuples(st.just("move"), st.integers(0, 1), st.booleans()),
)


@settings(max_examples=150)
@given(st.lists(_STEPS, max_size=60))
def test_what_prometheus_counts_is_what_the_records_say(steps: list[tuple[str, int, Any]]) -> None:
    """Two members with a partition each, killed between any two steps, partitions given up and lost."""
    log, prometheus = _Log(), Scraped()
    programs = [Program(f"p{number}", module_name=f"m{number % 3}") for number in range(4)]
    members = [_Member("a", log), _Member("b", log)]
    for partition, member in enumerate(members):
        member.assign(partition)
    for step, which, argument in steps:
        if step == "report":
            log.append(which % 2, programs[which].report(calls=argument, errors=argument // 3))
        elif step == "read":
            members[which].read(argument)
        elif step == "scrape":
            members[which].scrape(prometheus)
        elif step == "kill":
            members[which] = members[which].again()
        else:
            _move(which, members, prometheus, is_given=argument)
    for _ in range(2):
        for member in members:
            member.read()
            member.scrape(prometheus)
    for _ in range(2):
        for member in members:
            member.scrape(prometheus)
    assert _seen(prometheus) == _truth(programs)


def _member(*records: Any) -> _Member:
    log = _Log()
    for each in records:
        log.append(0, each)
    member = _Member("a", log)
    member.assign(0)
    member.read()
    return member


def test_a_new_series_is_zero_before_it_has_a_value() -> None:
    member = _member(Program("a").report(calls=5, errors=2))
    first = {key[0]: vector for key, vector in member.totals.show().items()}
    assert first[_CALLS] == [0]
    assert first[CALL_DURATION.name] == [0] * (len(BOUNDS_S) + 2)
    assert member.totals.positions == {}
    second = {key[0]: vector for key, vector in member.totals.show().items()}
    assert (second[_CALLS], second[CALL_ERRORS.name]) == ([5], [2])
    assert member.totals.positions == {(_TOPIC, 0): Position(1, NOW_MS)}


def test_who_looks_sees_all_that_was_read_and_scrapes_are_shown_the_same() -> None:
    log = _Log()
    member = _Member("a", log)
    member.assign(0)
    program = Program("a")
    log.append(0, program.report(calls=5))
    member.read()
    calls = (_CALLS, ("support", "v1", "Triage", "production"))
    assert member.totals.look()[calls] == [5]
    assert member.totals.positions == {}
    assert member.totals.show()[calls] == [0]
    log.append(0, program.report(calls=1))
    member.read()
    assert member.totals.look()[calls] == [6]
    assert member.totals.look()[calls] == [6]
    assert member.totals.show()[calls] == [6]
    assert member.totals.look()[calls] == [6]


def test_new_series_again_and_again_do_not_hold_up_the_others() -> None:
    log = _Log()
    member = _Member("a", log)
    member.assign(0)
    program = Program("a")
    for number in range(5):
        log.append(0, program.report(calls=1))
        log.append(0, Program(f"new{number}", module_name=f"new{number}").report(calls=1))
        member.read()
        shown = member.totals.show()
        assert shown[_CALLS, ("support", "v1", "Triage", "production")] == [number]


def test_records_that_add_nothing_move_the_position_on() -> None:
    program = Program("a")
    first = program.report(calls=1)
    member = _member(first, first, first)
    member.totals.show()
    member.totals.show()
    assert member.totals.positions == {(_TOPIC, 0): Position(3, NOW_MS)}


def test_what_is_late_goes_to_late_totals_only() -> None:
    program = Program("a")
    member = _member(program.report(calls=2), program.report(calls=3, errors=1, after_ms=400_000))
    member.totals.show()
    shown = {key[0]: vector[0] for key, vector in member.totals.show().items() if key[0] != CALL_DURATION.name}
    assert (shown[_CALLS], shown["headrace_late_calls_total"], shown["headrace_late_call_errors_total"]) == (2, 3, 1)
    assert CALL_ERRORS.name not in shown
    assert member.counting.results == {"counted": 1, "late": 1}


def test_the_success_and_sampling_rates_of_what_is_late_can_be_told() -> None:
    use = {"model": "gpt", "weight": 2.0, "tokens_input": 0.0, "tokens_output": 0.0, "cost_usd": 0.0, "unknown_cost": 0}
    first = record([{**call_statistics([1.0]), "usage": [{**use, "sampled": 1}]}], timestamp_ms=NOW_MS - 400_000)
    late = {**call_statistics([1.0] * 8, {"ValueError": 3}, cancelled=2), "usage": [{**use, "sampled": 5}]}
    member = _member(first, record([late], sequence=2, timestamp_ms=NOW_MS))
    member.totals.show()
    shown = {key[0]: vector[0] for key, vector in member.totals.show().items()}
    calls, cancelled = shown["headrace_late_calls_total"], shown["headrace_late_calls_cancelled_total"]
    assert (calls, cancelled, shown["headrace_late_call_errors_total"]) == (7, 2, 3)
    assert shown["headrace_late_calls_sampled_total"] == 4
    assert "headrace_calls_cancelled_total" not in shown


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "tombstone"),
        (b"no record", "not_single_object"),
        (_CODEC.encode(Program("a").report(calls=1))[:-3], "undecodable"),
        (_CODEC.encode({**Program("a").report(), "sampled": -1}), "invalid_number"),
    ],
)
def test_what_cannot_be_read_is_counted_and_passed(value: bytes | None, reason: str) -> None:
    log = _Log()
    member = _Member("a", log)
    member.assign(0)
    good = Reading((_TOPIC, 0), 0, _CODEC.encode(Program("b").report(calls=1)), NOW_MS)
    member.counting.take(good)
    member.counting.take(dataclasses.replace(good, offset=1, value=value))
    assert member.counting.unreadable == {reason: 1}
    member.totals.show()
    member.totals.show()
    assert member.totals.positions == {(_TOPIC, 0): Position(2, NOW_MS)}


def test_a_partition_that_is_gone_takes_what_was_not_shown_with_it() -> None:
    member = _member(Program("a").report(calls=5))
    member.totals.show()
    member.lose(0)
    assert member.totals.show()[_CALLS, ("support", "v1", "Triage", "production")] == [0]
    assert list(member.counting.producers()) == []
