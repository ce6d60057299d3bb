"""From a captured call to its record: redacted, named, keyed, capped."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.config import load
from headrace.delivery.finishing import MAX_ERROR_CHARACTERS, Finisher
from headrace.delivery.size import CUT_MARK, capped
from headrace_schemas import CanonicalizationError, Interaction, canonical, interaction_codec, keys, names
from tests.unit.headrace.calls import captured_call


def finish(overrides: dict[str, Any] | None = None, /, **changes: Any) -> Interaction:
    record, _ = Finisher(load(None, overrides or {}, {}), "host-1").finish(captured_call(**changes))
    return record


def test_a_record_holds_the_calls_fields_and_fits_the_schema() -> None:
    record = finish(
        {"telemetry": {"service": "shop", "environment": "staging"}},
        tokens_input=100,
        tokens_output=20,
        latency_ms=12.5,
        model="m",
        attributes={"tier": "gold"},
    )
    assert interaction_codec().decode(interaction_codec().encode(record)) == record
    assert record["input"] == '{"question":"why 0?"}'
    assert record["attributes"] == '{"tier":"gold"}'
    assert (record["service"], record["environment"], record["instance"]) == ("shop", "staging", "host-1")
    assert (record["tokens"], record["latency_ms"], record["capture_level"]) == (120, 12.5, "full")
    assert (record["inclusion_probability"], record["keep_reason"]) == (0.5, "sample")
    assert not record["truncated"]


@pytest.mark.parametrize(("given_tokens", "total"), [((None, 5), None), ((5, None), None), ((0, 0), 0)])
def test_the_total_of_tokens_is_known_only_if_both_parts_are(
    given_tokens: tuple[int | None, int | None], total: int | None
) -> None:
    assert finish(tokens_input=given_tokens[0], tokens_output=given_tokens[1])["tokens"] == total


def test_input_output_error_and_attributes_are_redacted_and_counted() -> None:
    call = captured_call(
        input={"question": "mail a@b.co"},
        output={"a@b.co": 4111111111111111},
        error="cannot reach 10.0.0.1",
        attributes={"password": "x"},
    )
    record, counts = Finisher(load(None, {}, {}), "host-1").finish(call)
    assert record["input"] == '{"question":"mail [EMAIL]"}'
    assert record["output"] == '{"[EMAIL]":"[CARD]"}'
    assert record["error"] == "cannot reach [IP]"
    assert record["attributes"] == '{"password":"[SECRET]"}'
    assert counts == {"email": 2, "card": 1, "ip": 1, "secret": 1}
    assert record["redactions"] == 5


def test_names_are_mapped_to_valid_ones() -> None:
    record = finish(signature="a b", module_name="größe", module_version="..")
    assert record["signature"] == names.to_valid_name("a b")
    assert names.is_valid_name(record["module_name"])
    assert names.is_valid_name(record["module_version"])


def test_the_key_is_made_of_the_redacted_and_uncut_inputs() -> None:
    one = finish(input={"question": "mail a@b.co " + "x" * 300_000 + "1"})
    two = finish(input={"question": "mail c@d.org " + "x" * 300_000 + "2"})
    assert one["truncated"]
    assert one["input"] == two["input"]
    assert one["dedup_key"] != two["dedup_key"]
    redacted = canonical.dumps({"question": "mail [EMAIL] " + "x" * 300_000 + "1"})
    assert one["dedup_key"] == keys.dedup_key("Answer", one["fields_hash"], redacted)


def test_a_policy_decides_which_inputs_make_calls_the_same() -> None:
    policy = {"dedup": {"signatures": {"Answer": {"fields": ["b", "a"]}}}}
    one, two, other = (
        finish(policy, input={"a": 1, "b": b, "session": session}) for b, session in [(2, 7), (2, 8), (3, 7)]
    )
    assert one["dedup_policy"] == "fields:a,b"
    assert one["dedup_key"] == two["dedup_key"] != other["dedup_key"]
    assert one["dedup_key"] == keys.dedup_key("Answer", one["fields_hash"], b'{"a":1,"b":2}')


def test_a_policy_is_found_under_the_name_that_the_user_gave() -> None:
    policy = {"dedup": {"signatures": {"my answer": {"fields": ["a"]}}}}
    assert finish(policy, signature="my answer", input={"a": 1, "b": 2})["dedup_policy"] == "fields:a"


def test_a_policy_that_names_no_input_does_not_make_all_calls_one() -> None:
    policy = {"dedup": {"signatures": {"Answer": {"fields": ["qestion"]}}}}
    one, two = (finish(policy, input={"question": question}) for question in "ab")
    assert one["dedup_policy"] == "all"
    assert one["dedup_key"] != two["dedup_key"]


def test_a_subject_id_that_is_personal_data_becomes_a_pseudonym() -> None:
    assert finish(subject_id="subject-7")["subject_id"] == "subject-7"
    digest = hashlib.sha256(b"jane@example.com").hexdigest()[:16]
    assert finish(subject_id="jane@example.com")["subject_id"] == f"sha256:{digest}"


def test_an_error_is_bounded_after_redaction() -> None:
    record = finish(error="x" * (MAX_ERROR_CHARACTERS - 5) + " mail jane@example.com", success=False)
    assert record["error"] is not None
    assert len(record["error"]) <= MAX_ERROR_CHARACTERS
    assert "jane" not in record["error"]


def test_lone_surrogates_and_numbers_that_are_no_json_reach_the_topic() -> None:
    record = finish(
        input={"question": "\ud800", 1: float("nan")},
        error="no file \udcff",
        error_type="\udcff",
        model="\udcff",
        request_id="\udcff",
        trace_id="\udcff",
        subject_id="\udcff",
    )
    decoded = interaction_codec().decode(interaction_codec().encode(record))
    assert decoded["error"] == "no file ?"
    assert canonical.loads(decoded["input"])["question"] == "\ud800"


def test_redaction_can_be_switched_off_and_the_record_says_so() -> None:
    record = finish({"redaction": {"kinds": []}}, input={"question": "a@b.co"})
    assert (record["input"], record["redaction_version"], record["redactions"]) == ('{"question":"a@b.co"}', "off", 0)
    assert finish()["redaction_version"] not in {"", "off"}


def test_a_bomb_of_nesting_is_refused() -> None:
    value: Any = []
    for _ in range(200):
        value = [value]
    with pytest.raises(CanonicalizationError):
        finish(input={"question": value})


def test_the_longest_texts_are_cut_and_short_ones_are_whole() -> None:
    text, is_cut = capped({"short": "kept", "long": "x" * 5_000, "longer": "y" * 50_000}, 8_000)
    value = json.loads(text)
    assert is_cut
    assert value["short"] == "kept"
    assert value["long"].endswith(CUT_MARK)
    assert value["longer"].endswith(CUT_MARK)
    assert len(value["long"]) == len(value["longer"])
    assert 7_500 <= len(text) <= 8_000


def test_a_text_that_json_makes_longer_is_cut_no_more_than_it_must() -> None:
    text, is_cut = capped({"lines": "\n" * 10_000}, 8_000)
    assert is_cut
    assert 7_000 < len(text) <= 8_000


def test_what_is_large_without_texts_is_shortened() -> None:
    text, is_cut = capped({"numbers": list(range(100_000)), "name": "kept"}, 2_000)
    value = json.loads(text)
    assert is_cut
    assert value["numbers"] == list(range(len(value["numbers"])))
    assert value["numbers"]
    assert value["name"] == "kept"


JSON = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=3_000)),
    lambda inner: st.one_of(st.lists(inner, max_size=20), st.dictionaries(st.text(max_size=30), inner, max_size=5)),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=30), JSON, max_size=5), st.integers(64, 4_000))
def test_the_cap_holds_for_any_value_and_leaves_json(value: dict[str, Any], max_bytes: int) -> None:
    text, is_cut = capped(value, max_bytes)
    assert len(text.encode()) <= max_bytes
    assert isinstance(canonical.loads(text), dict)
    whole = canonical.dumps(value)
    assert is_cut == (len(whole) > max_bytes)
    if not is_cut:
        assert text.encode() == whole
