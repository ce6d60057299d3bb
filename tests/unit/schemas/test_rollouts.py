"""A rollout reads back as it was written, a request keeps its arm, and the arm tells nothing of what is sampled."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_schemas import keys
from headrace_schemas.control_records import OrderError, encoded
from headrace_schemas.rollouts import ProgramVersion, Rollout, RolloutState, read_rollout

_NAME = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
_DIGEST = "ab" * 32
_STATES: list[RolloutState] = ["running", "paused", "promoted", "rolled_back", "halted"]
_NUMBERS = st.dictionaries(st.text(max_size=5), st.integers(-100, 100) | st.text(max_size=5), max_size=3)
_ROLLOUTS = st.builds(
    Rollout,
    environment=_NAME,
    module=_NAME,
    rollout_id=_NAME,
    state=st.sampled_from(_STATES),
    share=st.floats(0, 1),
    candidate=st.builds(ProgramVersion, _NAME, st.just(_DIGEST)),
    baseline=st.builds(ProgramVersion, _NAME, st.none() | st.just(_DIGEST)),
    stage=st.integers(1, 9),
    sequence=st.integers(1, 99),
    decision=_NUMBERS,
    controller=_NUMBERS,
    updated_at_ms=st.integers(0, 2**40),
    updated_by=st.text(max_size=9),
)
_SAID: dict[str, Any] = {
    "rollout_id": "r1",
    "state": "running",
    "share": 0.1,
    "stage": 1,
    "sequence": 1,
    "candidate": {"version": "v2", "digest": _DIGEST},
    "baseline": {"version": "baseline", "digest": None},
}


def _rollout(state: RolloutState = "running", share: float = 0.5, rollout_id: str = "r1") -> Rollout:
    return Rollout(
        environment="production",
        module="qa",
        rollout_id=rollout_id,
        state=state,
        share=share,
        candidate=ProgramVersion("v2", _DIGEST),
        baseline=ProgramVersion("baseline"),
    )


def _read(said: Any, name: str = "production/qa", at_ms: int = 0) -> Any:
    return read_rollout(f"rollout/{name}".encode(), encoded("rollout", name, said, at_ms, ""))


@given(_ROLLOUTS)
def test_a_rollout_reads_back_as_it_was_written(rollout: Rollout) -> None:
    assert read_rollout(rollout.key, rollout.encoded()) == (rollout.name, rollout)


def test_a_tombstone_takes_it_back_and_another_kind_is_none() -> None:
    assert read_rollout(b"rollout/production/qa", None) == ("production/qa", None)
    assert read_rollout(b"sampling/*/*/*", b"anything") is None


def test_members_that_are_not_known_are_passed_over() -> None:
    _, read = _read({**_SAID, "colour": "blue"})
    assert read == _read(_SAID)[1]
    assert read.share == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"state": "going"}, "state"),
        ({"state": ["running"]}, "state"),
        ({"share": 1.5}, "share"),
        ({"share": True}, "share"),
        ({"share": None}, "share"),
        ({"share": math.nan}, "share"),
        ({"stage": 0}, "stage"),
        ({"sequence": 1.5}, "sequence"),
        ({"rollout_id": ""}, "rollout_id"),
        ({"candidate": {"version": "v2", "digest": None}}, "no digest"),
        ({"candidate": {"version": "v2", "digest": "../../etc/passwd"}}, "64 hex"),
        ({"candidate": "v2"}, "candidate"),
        ({"baseline": {"digest": _DIGEST}}, "baseline's version"),
        ({"decision": []}, "decision"),
    ],
)
def test_what_is_no_rollout_is_refused_and_says_why(change: dict[str, Any], why: str) -> None:
    with pytest.raises(OrderError, match=why):
        _read({**_SAID, **change})


def test_a_date_far_ahead_hides_no_order() -> None:
    rolled_back = {**_SAID, "state": "rolled_back"}
    assert _read(rolled_back, at_ms=2**45)[1].state == "rolled_back"


def test_names_and_keys_are_checked() -> None:
    for name in ("production", "production/", "*/qa", "production/q a", "production/a/b"):
        with pytest.raises(OrderError, match="name"):
            _read(_SAID, name)
    with pytest.raises(OrderError, match="two orders"):
        read_rollout(b"rollout/production/other", encoded("rollout", "production/qa", _SAID, 0, ""))
    with pytest.raises(OrderError, match="unreadable"):
        read_rollout(b"rollout/production/qa", b"{}")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_an_order_error_alone(value: bytes) -> None:
    with pytest.raises(OrderError):
        read_rollout(b"rollout/production/qa", value)


@given(_NAME, st.text(max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_a_request_that_has_the_candidate_keeps_it_as_the_share_grows(
    rollout_id: str, request_id: str, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    if _rollout(share=less, rollout_id=rollout_id).arm_of(request_id) == "candidate":
        assert _rollout(share=more, rollout_id=rollout_id).arm_of(request_id) == "candidate"


def test_the_share_is_that_of_the_state() -> None:
    shares = {state: _rollout(state, 0.25).candidate_share for state in _STATES}
    assert shares == {"running": 0.25, "paused": 0.25, "promoted": 1.0, "rolled_back": 0.0, "halted": 0.0}


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_sampling_is_as_likely_in_either_arm(share: float, rate: float) -> None:
    rollout = _rollout(share=share)
    sampled = {"candidate": [0, 0], "baseline": [0, 0]}
    for number in range(20_000):
        request_id = f"request-{number}"
        row = sampled[rollout.arm_of(request_id)]
        row[0] += 1
        row[1] += keys.is_below_rate(keys.sampling_hash(request_id), rate)
    for calls, taken in sampled.values():
        # Five standard errors: the ids are fixed, so this is no matter of chance.
        assert abs(taken / calls - rate) < 5 * math.sqrt(rate * (1 - rate) / calls)
    share_seen = sampled["candidate"][0] / 20_000
    assert abs(share_seen - share) < 5 * math.sqrt(share * (1 - share) / 20_000)


def test_the_record_on_the_topic_is_plain_json() -> None:
    from headrace_schemas import control_codec

    record = control_codec().decode(_rollout().encoded())
    assert (record["kind"], record["name"]) == ("rollout", "production/qa")
    assert json.loads(record["value"]) == {**_SAID, "share": 0.5, "decision": {}, "controller": {}}
