"""The rows of modules."""

import math

import pytest

from headrace.config import Config
from headrace_consumers.monitoring.catalogue import calls, samples
from headrace_consumers.top.calls import call_rows
from headrace_consumers.top.figures import Figures
from headrace_consumers.top.quantile import Between
from tests.unit.top.pages import WHOSE, away, counts, reading, source

OTHER = ("search", "v2", "Find", "staging")


def row(before, after, **changes):
    sources = [source(reading(before), reading(after, records=110))]
    (found,) = call_rows(Figures(sources), Config(**changes))
    return found


def test_a_row_tells_rates_shares_and_estimates_of_the_window():
    before = {(calls.CALLS_TOTAL, WHOSE): 50, (calls.CALL_ERRORS, (*WHOSE, "ValueError")): 10}
    found = row(
        before,
        {
            (calls.CALLS_TOTAL, WHOSE): 150,
            (calls.CALLS_CANCELLED, WHOSE): 20,
            (calls.CALL_ERRORS, (*WHOSE, "ValueError")): 12,
            (calls.CALL_ERRORS, (*WHOSE, "TimeoutError")): 2,
            (calls.CALLS_SAMPLED, WHOSE): 25,
            (calls.COST, (*WHOSE, "gpt")): 0.5,
            (calls.TOKENS, (*WHOSE, "gpt", "input")): 600,
            (calls.TOKENS, (*WHOSE, "gpt", "output")): 400,
            (calls.CALL_DURATION, WHOSE): counts({0.02: 60, 0.64: 40}),
        },
    )
    assert (found.module, found.version, found.signature, found.environment) == WHOSE
    assert (found.calls_per_s, found.success, found.sampled) == (10, 0.95, 0.25)
    assert (found.cost_usd_per_h, found.tokens_per_h) == (180, 360_000)
    assert (found.p50, found.p99) == (Between(0.01, 0.02), Between(0.32, 0.64))
    assert not found.is_bad


def test_no_more_calls_are_sampled_than_there_are():
    found = row({}, {(calls.CALLS_TOTAL, WHOSE): 80, (calls.CALLS_SAMPLED, WHOSE): 81})
    assert found.sampled == 1


@pytest.mark.parametrize(("failed", "is_failing"), [(2, False), (3, True)])
def test_a_success_rate_is_bad_below_the_threshold_once_enough_calls_failed(failed, is_failing):
    found = row({}, {(calls.CALLS_TOTAL, WHOSE): 10, (calls.CALL_ERRORS, (*WHOSE, "E")): failed})
    assert (found.is_failing, found.is_bad) == (is_failing, is_failing)


def test_a_success_rate_at_the_threshold_is_well():
    found = row({}, {(calls.CALLS_TOTAL, WHOSE): 100, (calls.CALL_ERRORS, (*WHOSE, "E")): 5})
    assert (found.success, found.is_failing) == (0.95, False)


@pytest.mark.parametrize(("bound", "slow", "is_slow"), [(3.0, 50, False), (5.0, 50, True), (5.0, 2, False)])
def test_a_p99_is_bad_beyond_the_threshold_once_enough_calls_were_slow(bound, slow, is_slow):
    found = row({}, {(calls.CALLS_TOTAL, WHOSE): 100, (calls.CALL_DURATION, WHOSE): counts({0.1: 1, bound: slow})})
    assert found.is_slow is is_slow


def test_a_cost_is_bad_beyond_the_threshold():
    weights = [0.0] * (len(samples.COST_BOUNDS_USD) + 1)
    weights[samples.COST_BOUNDS_USD.index(0.1)] = 30.0
    found = row({}, {(calls.CALLS_TOTAL, WHOSE): 100, (samples.CALL_COST, WHOSE): weights})
    assert (found.cost_p99, found.is_dear) == (Between(0.05, 0.1), True)


def test_what_is_bad_comes_first_and_then_what_had_most_calls():
    few, many = (calls.CALLS_TOTAL, WHOSE), (calls.CALLS_TOTAL, OTHER)
    well = source(reading({}), reading({few: 20, many: 100}, records=110))
    assert [each.module for each in call_rows(Figures([well]), Config())] == ["search", "support"]
    errors = {(calls.CALL_ERRORS, (*WHOSE, "E")): 20}
    ill = source(reading({}), reading({few: 20, many: 100, **errors}, records=110))
    assert [each.module for each in call_rows(Figures([ill]), Config())] == ["support", "search"]


def test_members_are_added_up_each_by_its_own_time_and_who_is_away_adds_nothing():
    fast = source(reading({}), reading({(calls.CALLS_TOTAL, WHOSE): 10}, records=110), step_s=1)
    slow = source(reading({}), reading({(calls.CALLS_TOTAL, WHOSE): 10}, records=110), step_s=10)
    (found,) = call_rows(Figures([slow, fast, away()]), Config())
    assert found.calls_per_s == 11


def test_one_page_tells_whose_calls_there_are_and_no_more():
    (found,) = call_rows(Figures([source(reading({(calls.CALLS_TOTAL, WHOSE): 10}))]), Config())
    assert (found.calls_per_s, found.success, found.p99, found.is_bad) == (None, None, None, False)


def test_a_module_at_rest_has_a_row():
    values = {(calls.CALLS_TOTAL, WHOSE): 10, (calls.CALL_DURATION, WHOSE): counts({math.inf: 10})}
    found = row(values, values)
    assert (found.calls_per_s, found.success, found.p99, found.sampled) == (0, None, None, None)
