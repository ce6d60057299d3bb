"""The state as a message, and evidence that counts once."""

from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.cli.rollout_lines import as_dict
from headrace_consumers.rollout.intake import FeedbackIntake, StatisticsIntake
from headrace_consumers.rollout.loop import changes_of
from headrace_consumers.rollout.moves import Change, ordered
from headrace_consumers.rollout.state import Holder, State, StateError, entry_message, found_in, state_message
from headrace_consumers.statistics.beginning import Beginning
from headrace_consumers.statistics.place import Position, Reading
from headrace_schemas import Statistics, feedback_codec, statistics_codec
from headrace_schemas.keys import arm_hash
from tests.support.rollouts import Service, experiment
from tests.support.statistics import NOW_MS, call_statistics, record

_CODEC, _FEEDBACK = statistics_codec(), feedback_codec()
_FROM_ZERO = Beginning(read_from=0, start=0, complete_since_ms=None)


def _message(key: bytes, value: bytes | None) -> Any:
    return SimpleNamespace(key=lambda: key, value=lambda: value, topic=lambda: "rollouts", offset=lambda: 7)


def _reading(each: Statistics, offset: int) -> Reading:
    return Reading(("stats", 0), offset, _CODEC.encode(each), each["timestamp_ms"])


def _state() -> State:
    return State().with_experiment(experiment())


def _counts(state: State) -> list[tuple[float, float]]:
    stages = state.experiments["production/support"].stages
    return [(arm.calls, arm.failures) for stage in stages for arm in (stage.candidate, stage.baseline)]


def test_a_state_and_the_log_are_read_as_they_were_written() -> None:
    paused = ordered(experiment(), "", "pause", now_ms=NOW_MS, by="ann", reason="lunch")
    state = State({paused.experiment.name: paused.experiment}, {"stats/0": Position(7, NOW_MS)}, Holder("a", True), 5)
    older = state_message(State())
    found = found_in([_message(*older), _message(*entry_message(paused.entry)), _message(*state_message(state))])
    assert found.state == state
    assert found.entries == [paused.entry]


def test_of_many_that_have_ended_the_oldest_keep_no_counts() -> None:
    ended, state = [], State()
    for number in range(600):
        module = f"support-{number}"
        counted = experiment(module=module, rollout_id=f"{module}-v2-1").counted(1, "baseline", [9.0, *[0.0] * 27])
        ended.append(ordered(counted, "", "rollback", now_ms=NOW_MS + number, by="ann", reason="lunch"))
        state = state.with_changes(ended[-1:])
    with_counts = [each.module for each in state.experiments.values() if each.has_counts]
    assert with_counts == [f"support-{number}" for number in range(550, 600)]
    message = state_message(state)
    assert len(message[1]) < 900_000
    assert found_in([_message(*message)]).state == state
    first = state.experiments["production/support-0"]
    assert as_dict(first, NOW_MS, [ended[0].entry])["numbers"]["baseline"]["calls"] == 9


def test_what_is_no_state_stops_with_one_line() -> None:
    with pytest.raises(StateError, match="topic rollouts, offset 7: no state of this release"):
        found_in([_message(b"state", b"rubbish")])


def test_calls_count_by_the_arm_and_stage_that_routed_them() -> None:
    intake, service, state = StatisticsIntake("stats"), Service(candidate=0.2), _state()
    intake.assign(0, _FROM_ZERO)
    order = state.experiments["production/support"].order()
    state = intake.take(_reading(service.serve(order, 1_000), 0), state)
    state = intake.take(_reading(service.serve(order, 1_000), 1), state)
    assert _counts(state) == [(200, 40), (1_800, 90)]
    assert state.positions == {"stats/0": Position(2, service.at_ms)}


@given(st.data())
def test_repeated_and_overtaken_records_count_once(data: st.DataObject) -> None:
    service = Service(candidate=0.1)
    order = experiment().order()
    records = [service.serve(order, 100) for _ in range(8)]
    told = data.draw(
        st.lists(st.sampled_from(records), min_size=3, max_size=20).map(lambda drawn: [records[0], *drawn, records[-1]])
    )
    intake, state = StatisticsIntake("stats"), _state()
    intake.assign(0, _FROM_ZERO)
    for offset, each in enumerate(told):
        state = intake.take(_reading(each, offset), state)
    assert _counts(state) == [(80, 8), (720, 36)]


@given(st.integers(1, 9))
def test_a_state_that_is_read_back_goes_on_where_it_was(killed_at: int) -> None:
    service = Service(candidate=0.1)
    order = experiment().order()
    readings = [_reading(service.serve(order, 100), offset) for offset in range(10)]
    intake, state = StatisticsIntake("stats"), _state()
    intake.assign(0, _FROM_ZERO)
    for reading in readings[:killed_at]:
        state = intake.take(reading, state)
    state = found_in([_message(*state_message(state))]).state
    again = StatisticsIntake("stats")
    again.assign(0, Beginning(read_from=0, start=state.positions["stats/0"].offset, complete_since_ms=None))
    for reading in readings:
        state = again.take(reading, state)
    assert _counts(state) == [(100, 10), (900, 45)]


def test_calls_of_another_rollout_environment_or_module_are_not_its_own() -> None:
    state, service = _state(), Service()
    other = experiment(rollout_id="support-v2-0").order()
    intake = StatisticsIntake("stats")
    intake.assign(0, _FROM_ZERO)
    each = service.serve(other, 100)
    state = intake.take(_reading(each, 0), state)
    each = Service("b").serve(experiment().order(), 100)
    each["environment"] = "staging"
    state = intake.take(_reading(each, 1), state)
    each = Service("c").serve(experiment().order(), 100)
    for row in each["calls"]:
        row["module_name"] = "billing"
    state = intake.take(_reading(each, 2), state)
    assert _counts(state) == [(0, 0), (0, 0)]


def test_rubbish_is_passed_over_and_counted() -> None:
    intake = StatisticsIntake("stats")
    intake.assign(0, _FROM_ZERO)
    state = intake.take(Reading(("stats", 0), 0, b"rubbish", NOW_MS), _state())
    state = intake.take(Reading(("stats", 0), 1, None, NOW_MS), state)
    assert sum(intake.unreadable.values()) == 2
    assert state.positions["stats/0"].offset == 2


def _looked(
    state: State, service: Service, intake: StatisticsIntake, looks: int, calls: int
) -> tuple[State, list[Change]]:
    changes: list[Change] = []
    for offset in range(looks):
        found = state.experiments["production/support"]
        state = intake.take(_reading(service.serve(found.order(), calls), offset), state)
        state, more = changes_of(state, NOW_MS + 60_000 * offset)
        changes += more
    return state, changes


def test_a_candidate_that_fails_more_often_is_taken_back_and_an_equal_one_gets_all() -> None:
    for fails, expected in ((0.2, ["rollback"]), (0.05, ["promote", "promote"])):
        intake, service = StatisticsIntake("stats"), Service(candidate=fails)
        intake.assign(0, _FROM_ZERO)
        state, changes = _looked(_state(), service, intake, 60, 500)
        assert [each.entry.what for each in changes] == expected
        assert state.experiments["production/support"].is_comparing is False
        assert service.calls["candidate"] <= 500 or fails == 0.05


@pytest.mark.parametrize(
    ("takes", "costs", "guard", "reason"),
    [
        (2.0, 1.0, "latency", "slower: a mean of 1 s, the baseline's is 0.5 s"),
        (1.0, 2.0, "cost", "dearer: a mean of $0.02, the baseline's is $0.01"),
        (1.0, 1.2, "", ""),
    ],
)
def test_a_candidate_that_is_slower_or_dearer_beyond_its_ratio_is_taken_back(
    takes: float, costs: float, guard: str, reason: str
) -> None:
    """Latency comes from all calls, cost from the sampled ones: one in ten, each of which stands for ten."""
    intake, state, changes = StatisticsIntake("stats"), _state(), list[Change]()
    intake.assign(0, _FROM_ZERO)
    for look in range(1, 61):
        rows = []
        for arm, calls, more in (("candidate", 20 * look, (takes, costs)), ("baseline", 180 * look, (1.0, 1.0))):
            row = call_statistics([0.5 * more[0]] * calls, arm=arm, rollout_id="support-v2-1", stage=1)
            told = {"model": "m", "sampled": calls // 10, "weight": calls, "cost_usd": 0.01 * more[1] * calls}
            row["usage"] = [{**told, "tokens_input": 0.0, "tokens_output": 0.0, "unknown_cost": 0}]
            rows.append(row)
        state = intake.take(_reading(record(rows, sequence=look, timestamp_ms=NOW_MS + 10_000 * look), look), state)
        state, more_changes = changes_of(state, NOW_MS + 1_000)  # in the stage's first second nothing goes up
        changes += more_changes
    assert [(each.entry.guard, each.entry.reason) for each in changes if each.entry.what == "rollback"] == (
        [(guard, reason)] if guard else []
    )


def test_an_unequal_split_halts_it() -> None:
    state, service = _state(), Service()
    intake = StatisticsIntake("stats")
    intake.assign(0, _FROM_ZERO)
    order = state.experiments["production/support"].order()
    state = intake.take(_reading(service.serve(replace(order, share=0.3), 1_000), 0), state)
    state, (change,) = changes_of(state, NOW_MS + 300_000)
    assert (change.entry.what, change.entry.guard) == ("halt", "split")
    assert change.entry.reason == "the candidate has 30.0% of the calls that ended, not 10%"


def _scored(intake: FeedbackIntake, state: State, scores: Iterable[tuple[str, str, str | None]]) -> State:
    """Take in a score for each feedback id, request and module."""
    for offset, (feedback_id, request, module) in enumerate(scores):
        record: Any = {
            "feedback_id": feedback_id,
            "request_id": request,
            "module_name": module,
            "subject_id": None,
            "score": 0.5,
            "label": None,
            "comment": None,
            "correction": None,
            "timestamp_ms": NOW_MS,
            "service": "shop",
            "environment": "production",
            "instance": "a",
            "redaction_version": "1",
            "redactions": 0,
            "truncated": False,
        }
        state = intake.take(Reading(("feedback", 0), offset, _FEEDBACK.encode(record), NOW_MS), state)
    return state


def _scores(state: State) -> tuple[int, int]:
    found = state.experiments["production/support"]
    return found.candidate_scores.scored, found.baseline_scores.scored


def test_scores_count_once_and_by_the_arm_of_their_request() -> None:
    intake = FeedbackIntake("feedback")
    intake.assign(0, _FROM_ZERO)
    requests = [f"request-{at}" for at in range(400)]
    state = _scored(intake, _state(), ((f"id-{request}", request, None) for request in [*requests, *requests]))
    shares = [arm_hash("support-v2-1", request) / 2**64 for request in requests]
    candidate, baseline = _scores(state)
    assert candidate == sum(share < 0.1 for share in shares) > 20
    assert baseline == sum(share >= 0.5 for share in shares) > 100


@pytest.mark.parametrize("modules", [(None, None), ("support", "support"), (None, "support"), ("support", None)])
def test_several_scores_of_a_request_count_as_one(modules: tuple[str | None, str | None]) -> None:
    intake = FeedbackIntake("feedback")
    intake.assign(0, _FROM_ZERO)
    requests = [f"request-{at}" for at in range(400)]
    once = _scored(intake, _state(), ((f"first-{request}", request, modules[0]) for request in requests))
    again = _scored(intake, once, ((f"second-{request}", request, modules[1]) for request in requests))
    assert _scores(again) == _scores(once)
    assert min(_scores(once)) > 20


def test_a_score_of_another_module_takes_nothing_from_a_requests_own() -> None:
    intake = FeedbackIntake("feedback")
    intake.assign(0, _FROM_ZERO)
    requests = [f"request-{at}" for at in range(400)]
    other = _scored(intake, _state(), ((f"first-{request}", request, "billing") for request in requests))
    assert _scores(other) == (0, 0)
    assert min(_scores(_scored(intake, other, ((request, request, "support") for request in requests)))) > 20


def test_a_score_that_was_counted_before_the_controller_ended_counts_once() -> None:
    intake = FeedbackIntake("feedback")
    intake.assign(0, Beginning(read_from=0, start=1, complete_since_ms=None))
    request = next(each for each in map(str, range(400)) if arm_hash("support-v2-1", each) / 2**64 < 0.1)
    state = _scored(intake, _state(), [("first", request, None), ("second", request, None)])
    assert _scores(state) == (0, 0)  # the first one is in the state that is gone on from
