"""What sample and rules keep together gives unbiased totals, with intervals that cover; and the budget is kept."""

import math
import random
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config.telemetry import Keep, Module, Telemetry
from headrace.keep import KeepRules, level_of
from headrace.policy import Policy
from headrace_schemas import keys

SEEDS = 2_000
SLOW_MS = 1_000
POLICY = Policy(Telemetry(enabled=True, sampling_rate_pct=30, modules={"rare": Module(sampling_rate_pct=15)}))
KEEP = Keep(errors_per_s=30, slow_per_s=25, slow_ms=SLOW_MS)


@dataclass(frozen=True)
class Call:
    module: str
    ended_s: float
    latency_s: float
    failed: bool


def traffic():
    """Ten seconds of calls of two modules: a steady stream, and a flood of errors in one second."""
    generator = random.Random(1)
    calls = []
    for number in range(2_000):
        second = 4 if number % 4 == 3 else number % 10
        failed = generator.random() < (0.7 if second == 4 else 0.1)
        latency_s = generator.lognormvariate(-0.7, 0.6)
        module = "rare" if number % 3 == 0 else "common"
        calls.append(Call(module, second + generator.random(), latency_s, failed))
    return sorted(calls, key=lambda call: call.ended_s)


CALLS = traffic()


def rates():
    """Return each call's sampling rate and its rule's, by the product's own code in the order of time."""
    rules = KeepRules(KEEP)
    matched = [rules.match(failed=c.failed, latency_s=c.latency_s, now_s=c.ended_s) for c in CALLS]
    return [(POLICY.rate_of(c.module), match) for c, match in zip(CALLS, matched, strict=True)]


def kept(calls_per_request):
    """Return the probabilities, and for each seed which calls are kept."""
    decided = rates()
    probability = np.array([max(rate, match.rate) for rate, match in decided])
    rows = []
    for seed in range(SEEDS):
        row = []
        for number, (rate, match) in enumerate(decided):
            hash64 = keys.sampling_hash(f"{seed}/{number // calls_per_request}")
            row.append(level_of(hash64, rate, match.rate) is not None)
        rows.append(row)
    return probability, np.array(rows)


MEASURES = {
    "calls": np.array([1.0 for _ in CALLS]),
    "calls of a module": np.array([float(c.module == "rare") for c in CALLS]),
    "errors": np.array([float(c.failed) for c in CALLS]),
    "errors of a module": np.array([float(c.failed and c.module == "rare") for c in CALLS]),
    "slow calls": np.array([float(c.latency_s * 1000 > SLOW_MS) for c in CALLS]),
    "seconds": np.array([c.latency_s for c in CALLS]),
    "seconds of errors": np.array([c.latency_s * c.failed for c in CALLS]),
}


@pytest.fixture(scope="module")
def one_call_a_request():
    return kept(1)


def test_the_traffic_puts_everything_in_play():
    decided = rates()
    levels = {match.reason for _, match in decided}
    assert levels == {"", "error", "slow"}
    assert any(match.rate == 1 for _, match in decided)
    assert any(rate < match.rate < 1 for rate, match in decided)  # a budget that is spent
    assert any(0 < match.rate < rate for rate, match in decided)  # ... to below the sampling rate


@pytest.mark.parametrize("measure", MEASURES)
def test_totals_estimated_by_1_over_p_are_unbiased(one_call_a_request, measure):
    probability, is_kept = one_call_a_request
    estimates = is_kept @ (MEASURES[measure] / probability)
    z = (estimates.mean() - MEASURES[measure].sum()) / (estimates.std(ddof=1) / math.sqrt(SEEDS))
    assert abs(z) < 4


@pytest.mark.parametrize("measure", MEASURES)
def test_the_95_percent_interval_covers_the_truth_95_percent_of_the_time(one_call_a_request, measure):
    probability, is_kept = one_call_a_request
    values = MEASURES[measure]
    estimates = is_kept @ (values / probability)
    # Poisson sampling: the estimated variance of a Horvitz-Thompson total is the sum of (1 - p) (y / p)^2 over the kept
    errors = np.sqrt(is_kept @ ((1 - probability) * (values / probability) ** 2))
    coverage = np.mean(np.abs(estimates - values.sum()) <= 1.96 * errors)
    assert 0.93 < coverage < 0.965


def test_totals_are_unbiased_where_a_request_has_several_calls_that_stand_or_fall_together():
    probability, is_kept = kept(6)
    for measure, values in MEASURES.items():
        estimates = is_kept @ (values / probability)
        z = (estimates.mean() - values.sum()) / (estimates.std(ddof=1) / math.sqrt(SEEDS))
        assert abs(z) < 4, measure


def test_without_the_rule_s_probability_errors_would_be_overestimated(one_call_a_request):
    """The test above can fail: weighing what a rule kept by the sampling rate is what it must notice."""
    probability, is_kept = one_call_a_request
    wrong = np.array([rate for rate, _ in rates()])
    estimates = is_kept @ (MEASURES["errors"] / wrong)
    z = (estimates.mean() - MEASURES["errors"].sum()) / (estimates.std(ddof=1) / math.sqrt(SEEDS))
    assert z > 100
    assert (wrong <= probability).all()


def match(rules, now_s, *, failed=True, latency_s=0.0):
    return rules.match(failed=failed, latency_s=latency_s, now_s=now_s)


def test_within_the_budget_all_is_kept():
    rules = KeepRules(Keep(errors_per_s=3))
    for second in range(5):
        assert [match(rules, second + 0.1 * k).rate for k in range(3)] == [1, 1, 1]


def test_beyond_it_the_rate_follows_from_the_second_before():
    rules = KeepRules(Keep(errors_per_s=3))
    for k in range(12):
        match(rules, 10 + 0.01 * k)
    steady = [match(rules, 11 + 0.01 * k).rate for k in range(12)]
    assert steady == [0.25] * 12
    assert sum(steady) == 3  # the budget
    assert match(rules, 13.5).rate == 1  # a second without a match between them


def test_a_flood_does_not_wait_for_the_second_to_end():
    rules = KeepRules(Keep(errors_per_s=10))
    expected = sum(match(rules, 5.0).rate for _ in range(10_000))
    assert 10 < expected < 10 * (1 + math.log(10_000 / 10)) + 1  # not 10,000


def test_a_fraction_of_a_record_a_second_is_a_budget_too():
    assert match(KeepRules(Keep(errors_per_s=0.25)), 5.0).rate == 0.25


def test_the_rule_with_the_higher_rate_is_the_reason_and_both_count():
    rules = KeepRules(Keep(errors_per_s=1, slow_per_s=10, slow_ms=1000))
    assert match(rules, 1.0, latency_s=2) == (1, "error")
    assert match(rules, 1.1, latency_s=2) == (1, "slow")
    assert match(rules, 1.2, failed=False, latency_s=2) == (1, "slow")
    assert match(rules, 1.3) == (1 / 3, "error")


def test_slow_is_what_takes_longer_than_the_threshold():
    rules = KeepRules(Keep(slow_per_s=10, slow_ms=1000))
    assert match(rules, 1.0, failed=False, latency_s=1.0).rate == 0
    assert match(rules, 1.0, failed=False, latency_s=1.000001) == (1, "slow")
    assert match(rules, 1.0, failed=True, latency_s=0.5).rate == 0  # no rule about errors


def test_by_default_there_are_no_rules():
    rules = KeepRules(Keep())
    assert not rules.is_on
    assert match(rules, 1.0, latency_s=1e9).rate == 0
    assert KeepRules(Keep(errors_per_s=1)).is_on
    assert KeepRules(Keep(slow_per_s=1)).is_on


@given(st.integers(0, 2**64 - 1), st.floats(0, 1), st.floats(0, 1))
def test_full_is_what_the_sample_takes_and_the_rest_up_to_p_is_an_outcome(hash64, sampling_rate, rule_rate):
    level = level_of(hash64, sampling_rate, rule_rate)
    assert (level == "full") == keys.is_below_rate(hash64, sampling_rate)
    assert (level is not None) == keys.is_below_rate(hash64, max(sampling_rate, rule_rate))


def test_a_lock_held_at_a_fork_is_forgotten():
    rules = KeepRules(Keep(errors_per_s=1, slow_per_s=1))
    before = rules._errors.lock
    rules.renew()
    assert rules._errors.lock is not before
    KeepRules(Keep()).renew()
