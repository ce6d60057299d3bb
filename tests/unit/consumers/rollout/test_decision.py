"""What follows from a rollout's figures."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.rollout.decision import Guard, Seen, Verdict, decide
from headrace_consumers.rollout.plan import Plan, Stage
from headrace_consumers.rollout.proportions import Arm, Pair
from headrace_consumers.rollout.ratios import Mean

_PLAN = Plan(stages=(Stage(0.10, 1_000, 3_600, 0.05), Stage(0.50, 1_000, 3_600, 0.02)), max_s=86_400)


def _seen(candidate: int, failed: int, baseline: int, baseline_failed: int, *, slow: int = 0) -> Seen:
    return Seen(
        failures=Pair(Arm(candidate, failed), Arm(baseline, baseline_failed)),
        slow=Pair(Arm(candidate, slow), Arm(baseline, 0)),
        latency=(Mean(candidate, 1.0, 0.5), Mean(baseline, 1.0, 0.5)),
        cost=None,
        elapsed_s=7_200,
    )


_GOOD = _seen(10_000, 500, 90_000, 4_500)


def test_an_equal_candidate_goes_up_when_that_is_proven() -> None:
    decision = decide(_PLAN, [_GOOD])
    assert decision.verdict is Verdict.PROMOTE
    assert decision.reason == "at most 5.0% more calls fail"


def test_it_waits_for_calls_time_and_proof() -> None:
    few = decide(_PLAN, [_seen(500, 25, 4_500, 225)])
    assert (few.verdict, few.reason) == (Verdict.HOLD, "500 of 1,000 calls, 7,200 of 3,600 s")
    early = decide(_PLAN, [replace(_GOOD, elapsed_s=60)])
    assert (early.verdict, early.reason) == (Verdict.HOLD, "10,000 of 1,000 calls, 60 of 3,600 s")
    unproven = decide(_PLAN, [_seen(1_200, 60, 10_800, 540), _seen(1_100, 75, 1_100, 55)])
    assert unproven.verdict is Verdict.HOLD
    assert "not proven that at most 2.0% more" in unproven.reason


def test_more_failures_end_it_at_once() -> None:
    decision = decide(_PLAN, [replace(_seen(300, 60, 2_700, 135), elapsed_s=60)])
    assert decision.verdict is Verdict.ROLLBACK
    assert decision.reason == "fails more often: candidate 60 of 300, baseline 135 of 2,700"


def test_more_slow_calls_end_it_at_once() -> None:
    decision = decide(_PLAN, [_seen(1_000, 50, 9_000, 450, slow=60)])
    assert (decision.verdict, decision.reason.partition(":")[0]) == (Verdict.ROLLBACK, "slow more often")


@pytest.mark.parametrize("liked", [0.8, 0.02, 0.0, -0.02, -4.0])
def test_a_candidate_that_is_liked_less_is_taken_back_on_any_scale(liked: float) -> None:
    """Means around 0 and below it say as much as others do: how far apart they are."""
    size = max(abs(liked), 0.1)
    worse, alike = (replace(_GOOD, score=_scores(liked - lost * size, liked, size)) for lost in (0.3, 0.0))
    decision = decide(_PLAN, [worse])
    assert (decision.verdict, decision.guard) == (Verdict.ROLLBACK, Guard.score)
    assert decision.reason.startswith("liked less: a mean of ")
    assert decide(_PLAN, [alike]).verdict is Verdict.PROMOTE


@pytest.mark.parametrize("liked", [1.0, -1.0])
def test_a_tenth_of_the_mean_score_may_be_lost(liked: float) -> None:
    within, beyond = (replace(_GOOD, score=_scores(liked - lost, liked, 0.1)) for lost in (0.09, 0.12))
    assert decide(_PLAN, [within]).verdict is Verdict.PROMOTE
    assert decide(_PLAN, [beyond]).verdict is Verdict.ROLLBACK


def _scores(candidate: float, baseline: float, deviation: float) -> tuple[Mean, Mean]:
    return Mean(3_000, candidate, deviation**2), Mean(15_000, baseline, deviation**2)


def test_means_beyond_their_ratio_end_it() -> None:
    slower = replace(_GOOD, latency=(Mean(1_000, 2.0, 0.5), Mean(9_000, 1.0, 0.5)))
    assert decide(_PLAN, [slower]).reason == "slower: a mean of 2 s, the baseline's is 1 s"
    dearer = replace(_GOOD, cost=(Mean(1_000, 0.02, 1e-5), Mean(9_000, 0.01, 1e-5)))
    assert decide(_PLAN, [dearer]).reason == "dearer: a mean of $0.02, the baseline's is $0.01"
    within = replace(_GOOD, latency=(Mean(1_000, 1.3, 0.5), Mean(9_000, 1.0, 0.5)))
    assert decide(_PLAN, [within]).verdict is Verdict.PROMOTE


@pytest.mark.parametrize("latency", [1.45, 1.55])
def test_a_candidate_that_may_be_too_slow_goes_no_further_up(latency: float) -> None:
    decision = decide(_PLAN, [replace(_GOOD, latency=(Mean(1_000, latency, 0.5), Mean(9_000, 1.0, 0.5)))])
    assert (decision.verdict, decision.guard) == (Verdict.HOLD, Guard.latency)
    assert decision.reason == "not proven that calls take at most 1.5 times as long"


@pytest.mark.parametrize("calls", [0, 90, 101])
def test_a_candidate_that_may_be_too_dear_goes_no_further_up(calls: int) -> None:
    """Cost is told by a sample: too few calls prove nothing, however dear they are."""
    cost = (Mean(calls, 0.012, 1e-2), Mean(900, 0.01, 1e-4)) if calls else None
    decision = decide(_PLAN, [replace(_GOOD, cost=cost, has_costs=True)])
    assert (decision.verdict, decision.guard) == (Verdict.HOLD, Guard.cost)
    assert decision.reason == (
        "not proven that calls cost at most 1.5 times as much; of either arm it takes 100 sampled ones"
    )


def test_ten_times_the_cost_in_few_sampled_calls_is_no_promotion() -> None:
    dearer = replace(_GOOD, cost=(Mean(90, 0.05, 1e-8), Mean(90, 0.005, 1e-10)))
    assert decide(_PLAN, [dearer]).verdict is Verdict.HOLD
    assert decide(_PLAN, [dearer, _seen(10_000, 500, 10_000, 500)]).guard is Guard.cost  # of another stage's calls


def test_a_cost_that_is_proven_or_that_nobody_reports_holds_nothing_back() -> None:
    assert not _GOOD.has_costs
    assert decide(_PLAN, [_GOOD]).verdict is Verdict.PROMOTE
    alike = replace(_GOOD, cost=(Mean(200, 0.01, 1e-5), Mean(900, 0.01, 1e-5)), has_costs=True)
    assert decide(_PLAN, [alike]).verdict is Verdict.PROMOTE
    for_free = replace(alike, cost=(Mean(200, 0.0, 0.0), Mean(900, 0.01, 1e-5)))
    assert decide(_PLAN, [for_free]).verdict is Verdict.PROMOTE


def test_calls_that_cost_nothing_in_either_arm_hold_nothing_back() -> None:
    free = replace(_GOOD, cost=(Mean(200, 0.0, 0.0), Mean(900, 0.0, 0.0)))
    assert decide(_PLAN, [free]).verdict is Verdict.PROMOTE
    dearer = replace(free, cost=(Mean(200, 0.01, 1e-5), Mean(900, 0.0, 0.0)), has_costs=True)
    assert decide(_PLAN, [dearer]).guard is Guard.cost


def test_a_latency_that_is_not_known_is_not_proven() -> None:
    decision = decide(_PLAN, [replace(_GOOD, latency=None)])
    assert (decision.verdict, decision.guard) == (Verdict.HOLD, Guard.latency)


def test_a_wrong_split_halts_it_and_a_breach_comes_first() -> None:
    decision = decide(_PLAN, [_seen(30_000, 1_500, 70_000, 3_500)])
    assert decision.verdict is Verdict.HALT
    assert decision.reason == "the candidate has 30.0% of the calls that ended, not 10%"
    assert decide(_PLAN, [_seen(30_000, 9_000, 70_000, 3_500)]).verdict is Verdict.ROLLBACK


@pytest.mark.parametrize(
    ("seen", "lacks"),
    [
        (_seen(100, 5, 900, 45), "100 of 1,000 calls, 86,400 of 3,600 s"),
        (replace(_GOOD, latency=None), "not proven that calls take at most 1.5 times as long"),
        (
            replace(_GOOD, has_costs=True),
            "not proven that calls cost at most 1.5 times as much; of either arm it takes 100 sampled ones",
        ),
    ],
)
def test_time_without_evidence_takes_it_back_and_the_reason_tells_what_was_missing(seen: Seen, lacks: str) -> None:
    decision = decide(_PLAN, [replace(seen, elapsed_s=86_400)])
    assert (decision.verdict, decision.guard) == (Verdict.ROLLBACK, Guard.time)
    assert decision.reason == f"no evidence in the time that was given: {lacks}"


def test_earlier_stages_count() -> None:
    at_hand = _seen(1_100, 50, 1_100, 50)
    assert decide(_PLAN, [_GOOD, at_hand]).verdict is Verdict.PROMOTE
    assert decide(_PLAN, [_seen(200, 10, 1_800, 90), at_hand]).verdict is Verdict.HOLD


@given(st.integers(0, 3_000), st.floats(0, 1), st.integers(0, 3_000), st.floats(0, 1), st.floats(0, 10**7))
def test_every_count_has_a_verdict(calls: int, share: float, others: int, other_share: float, elapsed_s: float) -> None:
    seen = replace(_seen(calls, int(share * calls), others, int(other_share * others)), elapsed_s=elapsed_s)
    assert decide(_PLAN, [seen]).verdict in Verdict
