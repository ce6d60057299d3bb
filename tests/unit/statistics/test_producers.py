"""A producer's increase counts once, whatever is lost, repeated, overtaken, replayed or forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.monitoring.catalogue.calls import CALL_DURATION, CALL_ERRORS, CALLS_TOTAL
from headrace_consumers.monitoring.catalogue.producers import RECORDS_DROPPED
from headrace_consumers.statistics.producers import ANCIENT_MS, LATE_MS, Producers, Result
from headrace_consumers.statistics.series import Series, series_of, why_unusable
from headrace_schemas import Count, Statistics
from tests.support.statistics import NOW_MS, Program, call_statistics, record

_CALL = ("support", "v1", "Triage", "production")
_CALLS = (CALLS_TOTAL.name, _CALL)


def _take(producers: Producers, each: Statistics, *, appended_ms: int | None = None, now_ms: int | None = None):
    appended_ms = each["timestamp_ms"] if appended_ms is None else appended_ms
    return producers.take(each, series_of(each), appended_ms, appended_ms if now_ms is None else now_ms)


def _calls(series: Series) -> float:
    return sum(vector[0] for (name, _), vector in series.items() if name == CALLS_TOTAL.name)


def test_the_series_of_a_record_are_all_its_totals() -> None:
    usage = {
        "model": "gpt",
        "sampled": 2,
        "weight": 20.0,
        "tokens_input": 30.0,
        "tokens_output": 5.0,
        "cost_usd": 0.5,
        "unknown_cost": 1,
    }
    calls = {**call_statistics([0.5, 100.0, 0.01], {"ValueError": 1}, cancelled=1), "usage": [usage]}
    series = series_of(record([calls], sampled=4, delivered=3, dropped=[Count(name="queue_full", count=1)]))
    duration = series.pop((CALL_DURATION.name, _CALL))
    assert duration[0] == duration[6] == duration[-2] == 1
    assert duration[-1] == pytest.approx(100.51)
    assert series == {
        ("headrace_calls_total", _CALL): [3],
        ("headrace_calls_cancelled_total", _CALL): [1],
        ("headrace_calls_sampled_total", _CALL): [2],
        ("headrace_call_errors_total", (*_CALL, "ValueError")): [1],
        ("headrace_tokens_total", (*_CALL, "gpt", "input")): [30.0],
        ("headrace_tokens_total", (*_CALL, "gpt", "output")): [5.0],
        ("headrace_cost_usd_total", (*_CALL, "gpt")): [0.5],
        ("headrace_calls_cost_unknown_total", (*_CALL, "gpt")): [1],
        ("headrace_records_sampled_total", ("shop", "production")): [4],
        ("headrace_records_adopted_total", ("shop", "production")): [0],
        ("headrace_records_delivered_total", ("shop", "production")): [3],
        ("headrace_records_dropped_total", ("shop", "production", "queue_full")): [1],
    }


def test_the_stages_of_a_rollout_are_added_up() -> None:
    names = {"arm": "candidate", "rollout_id": "r1"}
    stages = [call_statistics([0.5] * stage, {"ValueError": 1}, stage=stage, **names) for stage in (1, 2)]
    series = series_of(record(stages, program_failures=[Count(name="digest", count=2)]))
    assert series[_CALLS] == [3]
    assert series[CALL_ERRORS.name, (*_CALL, "ValueError")] == [2]
    assert sum(series[CALL_DURATION.name, _CALL][:-1]) == 3
    assert series["headrace_program_failures_total", ("shop", "production", "digest")] == [2]


def test_of_a_record_only_the_increase_counts() -> None:
    producers, program = Producers(0), Program("a")
    first = _take(producers, program.report(calls=5, errors=1))
    second = _take(producers, program.report(calls=3))
    third = _take(producers, program.report())
    assert [each.result for each in (first, second, third)] == [Result.counted] * 3
    assert [first.series[_CALLS], second.series[_CALLS]] == [[5], [3]]
    assert (CALL_ERRORS.name, (*_CALL, "ValueError")) not in second.series
    assert third.series == {}


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20)), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_what_counts_is_what_the_newest_records_say(made: list[tuple[int, int]], random) -> None:
    programs = [Program(name) for name in "abc"]
    records = [programs[which].report(calls=calls) for which, calls in made]
    read = [each for each in records if random.random() > 0.2]  # lost
    read += [each for each in read if random.random() > 0.7]  # repeated
    random.shuffle(read)  # overtaken
    producers = Producers(0)
    counted = sum(_calls(_take(producers, each).series) for each in read)
    newest: dict[str, Statistics] = {}
    for each in read:
        if each["instance"] not in newest or each["sequence"] > newest[each["instance"]]["sequence"]:
            newest[each["instance"]] = each
    assert counted == sum(each["calls"][0]["calls"] for each in newest.values())


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), max_size=40), st.integers(1, 4))
def test_forgetting_never_counts_anything_twice(made: list[tuple[int, int]], limit: int) -> None:
    programs = [Program(name, NOW_MS + 1_000 * place) for place, name in enumerate("abcdef")]
    producers = Producers(0, limit)
    counted = 0.0
    for which, calls in made:
        counted += _calls(_take(producers, programs[which].report(calls=calls)).series)
        assert len(producers) <= limit
    assert counted <= sum(program.calls for program in programs)
    if len({which for which, _ in made}) <= limit:
        assert counted == sum(program.calls for program in programs)
        assert producers.forgotten == 0


def test_a_forgotten_producer_that_comes_back_is_adopted() -> None:
    producers = Producers(0, limit=1)
    a, b = Program("a"), Program("b")
    _take(producers, a.report(calls=5))
    _take(producers, b.report(calls=1))
    back = a.report(calls=1)
    assert _take(producers, back).result is Result.adopted
    assert _take(producers, back).result is Result.repeated
    assert _take(producers, a.report(calls=2)).series[_CALLS] == [2]
    assert producers.forgotten == 2


def test_a_fork_or_a_new_configuration_counts_from_zero() -> None:
    producers = Producers(0)
    _take(producers, Program("a").report(calls=5))
    assert _take(producers, Program("a", NOW_MS + 1).report(calls=4)).series[_CALLS] == [4]


def test_a_producer_that_was_there_before_counting_began_is_adopted() -> None:
    producers = Producers(complete_since_ms=NOW_MS)
    old = Program("old", NOW_MS - 60_000)
    old.report(calls=7)
    assert _take(producers, old.report(calls=1)).result is Result.adopted
    assert _take(producers, old.report(calls=2)).series[_CALLS] == [2]


def test_where_no_moment_is_known_it_is_that_of_the_first_record() -> None:
    producers = Producers(None)
    old = Program("old", NOW_MS - 60_000)
    old.report(calls=7)
    assert _take(producers, old.report(calls=1), appended_ms=NOW_MS).result is Result.adopted
    young = Program("young", NOW_MS)
    young.report(calls=2)
    assert _take(producers, young.report(calls=1), appended_ms=NOW_MS + 9).series[_CALLS] == [3]


def test_a_first_record_is_new_however_far_behind_its_clock_is() -> None:
    producers = Producers(complete_since_ms=NOW_MS)
    behind = Program("behind", NOW_MS - 600_000)
    assert _take(producers, behind.report(calls=3), appended_ms=NOW_MS + 1).series[_CALLS] == [3]


def test_a_copy_of_an_old_record_counts_nothing() -> None:
    producers = Producers(0)
    old = Program("old").report(calls=3)
    found = _take(producers, old, appended_ms=old["timestamp_ms"] + ANCIENT_MS + 1)
    assert (found.result, found.series) == (Result.adopted, {})


def test_remembered_records_are_where_counting_goes_on() -> None:
    producers, program = Producers(complete_since_ms=NOW_MS + 1), Program("a")
    counted = [program.report(calls=5), program.report(calls=1)]
    for each in reversed(counted):  # overtaken
        producers.remember(each, series_of(each), each["timestamp_ms"])
    assert _take(producers, counted[1]).result is Result.repeated
    assert _take(producers, program.report(calls=2)).series[_CALLS] == [2]


@pytest.mark.parametrize(("gap_ms", "result"), [(LATE_MS, Result.counted), (LATE_MS + 1, Result.late)])
def test_an_increase_over_more_than_five_minutes_is_late(gap_ms: int, result: Result) -> None:
    producers, program = Producers(0), Program("a")
    _take(producers, program.report(calls=5))
    found = _take(producers, program.report(calls=3, after_ms=gap_ms))
    assert (found.result, found.series[_CALLS]) == (result, [3])
    assert _take(producers, program.report(calls=1)).result is Result.counted


@pytest.mark.parametrize(("age_ms", "result"), [(LATE_MS, Result.counted), (LATE_MS + 1, Result.late)])
def test_what_is_read_over_five_minutes_later_is_late(age_ms: int, result: Result) -> None:
    each = Program("a").report(calls=5)
    assert _take(Producers(0), each, now_ms=each["timestamp_ms"] + age_ms).result is result


def test_a_process_that_was_idle_for_long_is_not_late_with_its_first_call() -> None:
    assert _take(Producers(0), Program("a").report(calls=1, after_ms=10 * LATE_MS)).result is Result.counted


def test_a_new_producer_whose_first_records_were_lost_for_long_is_late() -> None:
    program = Program("a")
    program.report(calls=4)
    assert _take(Producers(0), program.report(calls=1, after_ms=LATE_MS)).result is Result.late


def test_a_ledger_that_does_not_add_up_is_told() -> None:
    producers = Producers(0)
    dropped = [Count(name="exit", count=1), Count(name="queue_full", count=2)]
    _take(producers, record(sampled=10, adopted=1, delivered=5, spooled=2, in_flight=1, dropped=dropped))
    _take(producers, record(instance="b", sampled=10, delivered=9))
    assert [each.imbalance for each in producers] == [0, 1]
    assert (RECORDS_DROPPED.name, ("shop", "production", "exit")) in next(iter(producers)).series


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 0},
        {"in_flight": -1},
        {"calls": [{**call_statistics([1.0]), "latency_counts": [1]}]},
        {"calls": [{**call_statistics([1.0]), "latency_s_sum": float("nan")}]},
        {"calls": [call_statistics([1.0], {"ValueError": -1})]},
    ],
)
def test_figures_that_no_producer_writes_are_unusable(change: dict) -> None:
    assert why_unusable(record(**change)) is not None
    assert why_unusable(record([call_statistics([1.0])])) is None
