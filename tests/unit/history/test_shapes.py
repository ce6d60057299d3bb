"""Every shape that a line had."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.history.shapes import BadLineError, is_finished, parse, to_call
from tests.unit.history.lines_of_logs import historic


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (120, (None, None, 120)),
        (120.0, (None, None, 120)),
        (None, (None, None, None)),
        (..., (None, None, None)),
        ({"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}, (100, 20, 120)),
        ({"input_tokens": 100, "output_tokens": 20}, (100, 20, 120)),
        ({"prompt": 100, "completion": 20, "total": 121}, (100, 20, 121)),
        ({"prompt_tokens": 100, "completion_tokens": 0}, (100, 0, 100)),
        ({"total": 7}, (None, None, 7)),
        ({}, (None, None, None)),
    ],
)
def test_tokens(tokens, expected):
    made = to_call(historic(tokens=tokens))
    assert (made.call.tokens_input, made.call.tokens_output, made.tokens) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("baseline", "baseline"),
        ("Baseline", "baseline"),
        ("optimized_v1", "optimized_v1"),
        ({"Optimized": "v1"}, "optimized_v1"),
        ("Canary", "Canary"),
    ],
)
def test_versions(version, expected):
    assert to_call(historic(module_version=version)).call.module_version == expected


def test_optional_fields_may_be_missing():
    bare = historic(latency_ms=..., tokens=..., cost_usd=..., model=..., error=...)
    call = to_call(bare).call
    assert (call.latency_ms, call.cost_usd, call.model, call.error) == (None, None, None, None)


def test_a_failed_call_may_have_no_output():
    assert to_call(historic(success=False, output=None, error="boom")).call.output == {}


@pytest.mark.parametrize(
    "field", ["module_name", "module_version", "signature", "input", "output", "timestamp_ms", "success"]
)
def test_a_required_field_is_named_when_it_is_missing(field):
    with pytest.raises(BadLineError, match=f"missing_field: {field} is missing"):
        to_call(historic(**{field: ...}))


@pytest.mark.parametrize(
    "change",
    [
        {"module_name": 7},
        {"module_name": ""},
        {"module_version": {"Optimized": 1}},
        {"module_version": {"a": "1", "b": "2"}},
        {"input": []},
        {"output": "text"},
        {"success": 1},
        {"timestamp_ms": "2024"},
        {"timestamp_ms": 1.5},
        {"timestamp_ms": True},
        {"timestamp_ms": 1e300},
        {"latency_ms": -1},
        {"latency_ms": float("nan")},
        {"cost_usd": "0.1"},
        {"tokens": -3},
        {"tokens": {"prompt": "many"}},
        {"tokens": "120"},
        {"model": 5},
        {"error": {"message": "x"}},
    ],
)
def test_a_wrong_type_is_told_without_the_value(change):
    (field,) = change
    with pytest.raises(BadLineError, match=f"wrong_type: {field}"):
        to_call(historic(**change))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"oops", "not_json"),
        (b'{"a":', "not_json"),
        (b"[1]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"a":"\xff"}', "not_utf8"),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "too_deep"),
    ],
)
def test_a_line_without_an_object(content, reason):
    with pytest.raises(BadLineError) as caught:
        parse(content)
    assert caught.value.reason == reason


def test_a_line_of_the_spool_is_its_record():
    assert parse(b'{"kind":"interaction","record":{"event_id":"e"}}') == {"event_id": "e"}


def test_own_lines_are_told_from_old_ones():
    assert not is_finished(historic())
    assert is_finished({"event_id": "e", "dedup_key": "k", "redaction_version": "", "input": {}})


@given(st.permutations(list(historic())))
def test_the_same_call_has_the_same_ids_however_its_line_was_written(names):
    record = historic()
    shuffled = {name: record[name] for name in names}
    call, other = to_call(record).call, to_call(shuffled).call
    assert (call.event_id, call.request_id) == (other.event_id, other.request_id)
    assert to_call(historic(timestamp_ms=1)).call.event_id != call.event_id


def test_a_request_id_that_was_logged_is_kept():
    assert to_call(historic(request_id="r-1")).call.request_id == "r-1"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*historic()]), json_values))
def test_whatever_stands_in_a_line_it_is_a_call_or_a_bad_line(changes):
    try:
        call = to_call(parse(json.dumps({**historic(), **changes}).encode())).call
    except BadLineError:
        return
    assert isinstance(call.input, dict)
    assert call.timestamp_ms >= 0
