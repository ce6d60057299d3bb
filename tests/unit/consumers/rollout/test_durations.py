"""Calls that take time: what is decided while some are still under way, or never end."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pytest

from headrace_consumers.rollout.counted import Scores
from headrace_consumers.rollout.decision import Decision, Guard, Verdict
from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.loop import changes_of
from headrace_consumers.rollout.moves import Change, decided, ordered
from headrace_consumers.rollout.plan import Plan, Stage
from headrace_consumers.rollout.state import State
from headrace_schemas.latency import BOUNDS_S
from tests.support.rollouts import experiment
from tests.support.statistics import NOW_MS

_PLAN: Final = Plan(stages=(Stage(0.10, 200, 3_600, 0.05), Stage(0.50, 300, 3_600, 0.02)))
_LASTS_S: Final = 600
_REPORTS_S: Final = 10
_NEVER_S: Final = 1e9


@dataclass(frozen=True)
class _Arm:
    """How the calls of an arm go.

    Attributes:
        takes_s: those that succeed.
        fails: share of calls.
        fails_after_s: these take so long.
        hangs: share of calls that never end by themselves.
        patience_s: after which callers cancel.
    """

    takes_s: float
    fails: float = 0.05
    fails_after_s: float = 0.1
    hangs: float = 0.0
    patience_s: float = _NEVER_S


def _decided(
    calls_per_s: float, candidate: _Arm, baseline: _Arm, *, seed: int, share: float = 0.1, lasts_s: int = _LASTS_S
) -> Change | None:
    """Return what is decided first, looked at with each report of all calls that have ended."""
    random = np.random.default_rng([seed, 8])
    begins = np.sort(random.uniform(0, lasts_s, random.poisson(calls_per_s * lasts_s)))
    is_candidate = random.random(len(begins)) < share
    state = State().with_experiment(experiment(_PLAN))
    arms = []
    for name, arm, here in (("candidate", candidate, is_candidate), ("baseline", baseline, ~is_candidate)):
        began = begins[here]
        fails = random.random(len(began)) < arm.fails
        latency = np.where(fails, arm.fails_after_s, arm.takes_s * random.lognormal(0, 0.1, len(began)))
        latency = np.where(random.random(len(began)) < arm.hangs, _NEVER_S, latency)
        cancelled = latency > arm.patience_s
        latency = np.minimum(latency, arm.patience_s)
        bucket = np.searchsorted(BOUNDS_S, latency)
        arms.append((name, began + latency, latency, fails & ~cancelled, cancelled, bucket))
    for now_s in range(_REPORTS_S, lasts_s, _REPORTS_S):
        for name, ended, latency, fails, cancelled, bucket in arms:
            new = (ended > now_s - _REPORTS_S) & (ended <= now_s)
            counts = np.bincount(bucket[new], minlength=len(BOUNDS_S) + 1)
            heads = [new.sum(), cancelled[new].sum(), fails[new].sum(), latency[new].sum(), 0, 0, 0, 0]
            found = state.experiments["production/support"]
            state = state.with_experiment(found.counted(1, name, [float(each) for each in (*heads, *counts)]))
        state, changes = changes_of(state, NOW_MS + 1_000 * now_s)
        if changes:
            return changes[0]
    return None


@pytest.mark.parametrize(("calls_per_s", "slower"), [(10, 1.3), (100, 1.0), (100, 1.3), (500, 1.3)])
def test_calls_that_take_twenty_seconds_are_no_wrong_split_and_no_failures(calls_per_s: int, slower: float) -> None:
    for seed in range(2):
        assert _decided(calls_per_s, _Arm(20 * slower), _Arm(20), seed=seed) is None


def test_a_candidate_that_hangs_until_callers_cancel_is_taken_back_for_that() -> None:
    for hangs, patience_s, guard in ((1, 4, "cancelled"), (0.3, 4, "cancelled"), (1, 30, "slow"), (0.3, 60, "slow")):
        candidate, baseline = _Arm(2, hangs=hangs, patience_s=patience_s), _Arm(2, patience_s=patience_s)
        change = _decided(20, candidate, baseline, seed=1)
        assert change is not None
        assert (change.entry.what, change.entry.guard) == ("rollback", guard)
        assert change.entry.reason.startswith(f"{guard} more often: candidate ")


def test_callers_that_cancel_both_arms_alike_move_nothing() -> None:
    arm = _Arm(2, hangs=0.3, patience_s=10)
    assert _decided(50, arm, arm, seed=1) is None


def test_a_candidate_that_hangs_for_ever_is_halted_and_the_reason_is_true() -> None:
    change = _decided(20, _Arm(2, hangs=1, fails=0), _Arm(2), seed=1)
    assert change is not None
    assert (change.entry.what, change.entry.reason) == (
        "halt",
        "the candidate has 0.0% of the calls that ended, not 10%",
    )


def test_calls_that_take_twenty_seconds_are_decided_on_all_the_same() -> None:
    failing = _decided(10, _Arm(20, fails=0.2), _Arm(20), seed=1)
    assert failing is not None
    assert (failing.entry.what, failing.entry.guard) == ("rollback", "failures")
    assert failing.entry.numbers["elapsed_s"] < 300
    split = _decided(100, _Arm(20), _Arm(20), seed=1, share=0.07)
    assert split is not None
    assert (split.entry.what, split.entry.guard) == ("halt", "split")


def _told(found: Experiment, what: str, days: float) -> Experiment:
    now_ms = NOW_MS + round(days * 86_400_000)
    return ordered(found, "", what, now_ms=now_ms, by="ann@host", reason="because").experiment  # type: ignore[arg-type]


def test_while_it_is_paused_its_time_does_not_pass() -> None:
    paused = _told(experiment(Plan()), "pause", 1)
    resumed = _told(paused, "resume", 32)
    for days, found in ((31, paused), (32, resumed), (60, resumed)):
        assert changes_of(State().with_experiment(found), NOW_MS + days * 86_400_000)[1] == []
    (change,) = changes_of(State().with_experiment(resumed), NOW_MS + 62 * 86_400_000)[1]
    assert (change.entry.guard, change.entry.numbers["elapsed_s"]) == ("time", 31 * 86_400)


def test_a_stage_that_begins_while_it_is_paused_is_paused_too() -> None:
    up = _told(_told(experiment(Plan()), "pause", 1), "promote", 5)
    assert (up.state, [stage.elapsed_s(NOW_MS + 40 * 86_400_000) for stage in up.stages]) == ("paused", [86_400, 0])
    resumed = _told(up, "resume", 9)
    assert resumed.at_hand.elapsed_s(NOW_MS + 10 * 86_400_000) == 86_400


def test_after_a_halt_nothing_that_was_counted_with_it_is_kept() -> None:
    found = experiment().counted(1, "baseline", [500.0, *[0.0] * 7, *[25.0] * 20]).bounded()
    requests = [f"request-{number}" for number in range(100)]
    for request in requests:
        found = found.scored(request, 0.5)
    assert found.bound_s is not None
    assert found.candidate_scores.scored + found.baseline_scores.scored > 0
    change = decided(found, Decision(Verdict.HALT, "split", Guard.shares), NOW_MS)
    assert change is not None
    resumed = _told(change.experiment, "resume", 1)
    assert (resumed.bound_s, resumed.candidate_scores, resumed.baseline_scores) == (None, Scores(), Scores())
