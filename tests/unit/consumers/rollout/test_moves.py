"""What a decision, or a person, makes of a rollout."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.rollout.decision import Decision, Guard, Verdict
from headrace_consumers.rollout.experiment import Experiment
from headrace_consumers.rollout.moves import RolloutError, decided, ordered
from headrace_schemas.rollouts import ProgramVersion, read_rollout
from tests.support.rollouts import BASELINE, CANDIDATE, PLAN, experiment, started
from tests.support.statistics import NOW_MS

_UP = Decision(Verdict.PROMOTE, "at most 5.0% more calls fail", Guard.failures)
_BACK = Decision(Verdict.ROLLBACK, "fails more often", Guard.failures)
_LATE = Decision(Verdict.ROLLBACK, "no evidence in the time that was given", Guard.time)
_HALT = Decision(Verdict.HALT, "the candidate has 20% of the calls that ended, not 10%", Guard.shares)
_HOLD = Decision(Verdict.HOLD, "10 of 200 calls", Guard.minimum)


def _after(found: Experiment, decision: Decision) -> Experiment:
    change = decided(found, decision, NOW_MS + 1)
    assert change is not None
    return change.experiment


def _told(found: Experiment | None, what: str, **more: bool) -> Experiment:
    return ordered(
        found, "production/support", what, now_ms=NOW_MS + 2, by="bob@host", reason="because", **more
    ).experiment  # type: ignore[arg-type]


def test_it_goes_up_stage_by_stage_and_to_all() -> None:
    first = experiment()
    second = _after(first, _UP)
    last = _after(second, _UP)
    assert [(each.state, each.share, each.at_hand.number, each.sequence) for each in (first, second, last)] == [
        ("running", 0.1, 1, 1),
        ("running", 0.5, 2, 2),
        ("promoted", 1.0, 3, 3),
    ]
    assert decided(last, _BACK, NOW_MS) is None


def test_a_change_tells_who_why_and_with_which_numbers() -> None:
    change = decided(experiment(), _BACK, NOW_MS + 5_000)
    assert change is not None
    entry = change.entry
    assert (entry.what, entry.by, entry.guard, entry.reason) == (
        "rollback",
        "headrace consume rollout",
        "failures",
        "fails more often",
    )
    assert (entry.share_before, entry.share, entry.numbers["elapsed_s"]) == (0.1, 0.0, 5)
    order = change.order
    assert (order.state, order.candidate_share, order.stage, order.decision["guard"]) == (
        "rolled_back",
        0,
        2,
        "failures",
    )
    assert order.decision["numbers"]["candidate"]["calls"] == 0


def test_every_order_can_be_read_by_producers() -> None:
    found = experiment()
    for decision in (_UP, _HALT):
        change = decided(found, decision, NOW_MS)
        assert change is not None
        found = change.experiment
        assert read_rollout(change.order.key, change.order.encoded()) == (found.name, change.order)


def test_while_paused_nothing_goes_up_and_no_time_runs_out_but_a_breach_takes_it_back() -> None:
    paused = _told(experiment(), "pause")
    assert (paused.state, paused.share, paused.at_hand.number) == ("paused", 0.1, 1)
    assert decided(paused, _UP, NOW_MS) is None
    assert decided(paused, _LATE, NOW_MS) is None
    assert _after(paused, _BACK).state == "rolled_back"
    assert _told(paused, "resume").state == "running"


def test_after_a_halt_its_stage_begins_anew() -> None:
    counted = _after(experiment(), _UP).counted(2, "candidate", [5.0] * 28)
    halted = _after(counted, _HALT)
    assert (halted.state, halted.share) == ("halted", 0)
    resumed = _told(halted, "resume")
    assert (resumed.state, resumed.share, resumed.at_hand.candidate.calls) == ("running", 0.5, 0)
    assert [stage.number for stage in resumed.stages] == [1, 4]
    assert resumed.counted(2, "candidate", [5.0] * 28) == resumed


def test_what_is_counted_late_counts_for_the_stage_that_routed_it() -> None:
    second = _after(experiment(), _UP)
    late = second.counted(1, "baseline", [5.0, 0.0, 1.0, *[0.0] * 25])
    assert (late.stages[0].baseline.calls, late.stages[0].baseline.failures, late.at_hand.baseline.calls) == (5, 1, 0)


def test_an_operator_goes_one_stage_up_or_to_all_at_once() -> None:
    assert _told(experiment(), "promote").share == 0.5
    assert _told(experiment(), "promote", to_all=True).state == "promoted"
    assert _told(_told(experiment(), "promote", to_all=True), "rollback").share == 0


@pytest.mark.parametrize(
    ("what", "state"), [("resume", "running"), ("pause", "paused"), ("promote", "halted"), ("rollback", "rolled_back")]
)
def test_what_makes_no_sense_is_refused(what: str, state: str) -> None:
    with pytest.raises(RolloutError, match=f"rollout support-v2-1 is {state}, so there is no {what}"):
        _told(replace(experiment(), state=state), what)


def test_without_a_rollout_there_is_nothing_to_do() -> None:
    with pytest.raises(RolloutError, match="production/support: no rollout"):
        _told(None, "pause")


def test_a_second_rollout_of_a_module_waits_for_the_end_of_the_first() -> None:
    running = experiment()
    with pytest.raises(RolloutError, match=r"rollout support-v2-1 is running at 10%; end it first"):
        experiment(before=running)
    assert experiment(before=_told(running, "rollback"), rollout_id="support-v2-2").state == "running"


@pytest.mark.parametrize("baseline", [CANDIDATE, ProgramVersion("v2", None), ProgramVersion("v9", CANDIDATE.digest)])
def test_a_candidate_is_not_compared_with_itself(baseline: ProgramVersion) -> None:
    with pytest.raises(RolloutError, match="candidate and baseline are both v2"):
        experiment(baseline=baseline)
    assert experiment(baseline=BASELINE).baseline == BASELINE


@given(
    st.lists(
        st.sampled_from(["up", "back", "late", "halt", "hold", "pause", "resume", "promote", "rollback"]), max_size=12
    )
)
def test_each_change_of_the_share_has_a_stage_of_its_own_and_each_record_a_number(steps: list[str]) -> None:
    found = experiment()
    decisions = {"up": _UP, "back": _BACK, "late": _LATE, "halt": _HALT, "hold": _HOLD}
    seen = [(found.share, found.at_hand.number)]
    for at, step in enumerate(steps):
        before = found
        if step in decisions:
            change = decided(found, decisions[step], NOW_MS + at)
            found = found if change is None else change.experiment
        else:
            try:
                found = _told(found, step)
            except RolloutError:
                continue
        assert found.sequence == before.sequence + (found is not before)
        assert len(found.stages) <= len(PLAN.stages)
        seen.append((found.share, found.at_hand.number))
    numbers = [number for _, number in seen]
    assert numbers == sorted(numbers)
    assert all(a[1] != b[1] for a, b in pairwise(seen) if a[0] != b[0])


def test_a_rollout_begins_with_the_plans_first_share() -> None:
    change = started()
    assert (change.entry.what, change.entry.by, change.entry.share_before, change.entry.share) == (
        "start",
        "ann@host",
        0,
        0.1,
    )
