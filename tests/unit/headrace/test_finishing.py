"""From a captured call to its record: redacted, named, keyed, capped."""

import base64
import hashlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.captured import CUT_MARK, CapturedFeedback
from headrace.config import load
from headrace.delivery.finishers import Finishers
from headrace.delivery.finishing import MAX_ERROR_CHARACTERS, Finisher
from headrace.delivery.protection import Protection
from headrace.delivery.size import capped
from headrace.key_material import producer_keys
from headrace.redaction import OwnRedactor, subject_pseudonym
from headrace_schemas import CanonicalizationError, Interaction, canonical, envelope, interaction_codec, keys, names
from tests.unit.headrace.calls import captured_call

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
KEY_TEXT, OTHER_KEY_TEXT = (base64.b64encode(key).decode() for key in (KEY, OTHER_KEY))


def finisher(overrides: dict[str, Any] | None = None, *redactors: OwnRedactor, **environ: str) -> Finisher:
    config = load(None, overrides or {}, {})
    return Finisher(config, "host-1", Protection(config, producer_keys(config, environ), redactors))


def finish(overrides: dict[str, Any] | None = None, /, **changes: Any) -> Interaction:
    record, _ = finisher(overrides).finish(captured_call(**changes))
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
    record, counts = finisher().finish(call)
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


def test_normalised_texts_make_calls_the_same_and_the_record_keeps_them_as_they_are() -> None:
    policy = {"dedup": {"signatures": {"Answer": {"ignore_case": True, "ignore_white_space": True}}}}
    one = finish(policy, input={"question": " Why\n not? "})
    two = finish(policy, input={"question": "why not?"})
    assert one["dedup_policy"] == "all+case+space"
    assert one["dedup_key"] == two["dedup_key"]
    assert one["input"] == '{"question":" Why\\n not? "}'


def test_where_it_is_off_each_call_is_an_example_of_its_own_and_sent_twice_still_one() -> None:
    policy = {"dedup": {"signatures": {"Answer": {"enabled": False}}}}
    one, again, two = (finish(policy, event_id=event, input={"question": "why?"}) for event in ("a", "a", "b"))
    assert one["dedup_policy"] == "off"
    assert one["dedup_key"] == again["dedup_key"] == keys.event_key("a") != two["dedup_key"]


def test_a_subject_id_leaves_as_a_pseudonym_only() -> None:
    digest = hashlib.sha256(b"jane@example.com").hexdigest()[:32]
    assert finish(subject_id="jane@example.com")["subject_id"] == f"sha256:{digest}"
    assert finish(subject_id="subject-7")["subject_id"] == subject_pseudonym("subject-7")
    keyed = {"redaction": {"pseudonym_key": "env:KEY"}}
    record, _ = finisher(keyed, KEY=KEY_TEXT).finish(captured_call(subject_id="subject-7"))
    assert record["subject_id"] == subject_pseudonym("subject-7", KEY)
    assert finish()["subject_id"] is None


def test_fields_that_do_not_leave_have_a_marker_and_play_no_part_in_the_key() -> None:
    denied = {"redaction": {"signatures": {"Answer": {"deny": ["note", "answer"]}}}}
    one, two = (finish(denied, input={"question": "why?", "note": note}, output={"answer": note}) for note in "ab")
    assert one["input"] == '{"note":"[WITHHELD]","question":"why?"}'
    assert one["output"] == '{"answer":"[WITHHELD]"}'
    assert one["dedup_key"] == two["dedup_key"]
    assert one["redactions"] == 2
    assert one["redaction_version"] != finish()["redaction_version"]


def test_an_allow_list_withholds_every_other_field() -> None:
    lists = {"redaction": {"signatures": {"my answer": {"allow": ["question"]}}}}
    changes = {"input": {"question": "why?", "note": "x"}, "output": {"answer": "y"}}
    record = finish(lists, signature="my answer", **changes)
    assert (record["input"], record["output"]) == (
        '{"note":"[WITHHELD]","question":"why?"}',
        '{"answer":"[WITHHELD]"}',
    )
    assert finish(lists, **changes)["output"] == '{"answer":"y"}'


def test_the_lists_of_all_signatures_count_for_each() -> None:
    lists = {"redaction": {"signatures": {"*": {"deny": ["a"], "allow": ["a", "b"]}, "Answer": {"deny": ["b"]}}}}
    fields = {"a": 1, "b": 2, "c": 3}
    assert finish(lists, input=fields)["input"] == '{"a":"[WITHHELD]","b":"[WITHHELD]","c":"[WITHHELD]"}'
    assert finish(lists, signature="Other", input=fields)["input"] == '{"a":"[WITHHELD]","b":2,"c":"[WITHHELD]"}'


@pytest.mark.parametrize("signature", ["Answer", "TheEnclosingModule"])
@pytest.mark.parametrize("level", ["full", "outcome"])
def test_an_error_may_quote_a_withheld_field_and_does_not_leave_either(signature: str, level: str) -> None:
    denied = {"redaction": {"signatures": {"Answer": {"deny": ["note"]}}}}
    call = {"error": "cannot parse tulip", "error_type": "ValueError", "success": False, "capture_level": level}
    record = finish(denied, signature=signature, **call)
    assert (record["error"], record["error_type"]) == ("[WITHHELD]", "ValueError")
    capped = {"redaction": {"signatures": {"Answer": {"max_bytes": {"note": 100}}}}}
    assert finish(capped, signature=signature, **call)["error"] == "cannot parse tulip"


def test_a_field_has_a_cap_of_its_own() -> None:
    caps = {"redaction": {"signatures": {"Answer": {"max_bytes": {"document": 100, "pages": 64, "absent": 64}}}}}
    record = finish(caps, input={"document": "x" * 1000, "pages": list(range(100)), "question": "y" * 1000})
    cut = json.loads(record["input"])
    assert record["truncated"]
    assert cut["question"] == "y" * 1000
    assert cut["document"].endswith(CUT_MARK)
    assert len(canonical.dumps(cut["document"])) <= 100
    assert cut["pages"] == list(range(len(cut["pages"])))
    assert len(canonical.dumps(cut["pages"])) <= 64
    assert not finish(caps, input={"document": "short"})["truncated"]


def test_own_redactors_go_before_the_rules_and_see_every_text() -> None:
    seen: list[str] = []

    def spell_out(text: str) -> str:
        seen.append(text)
        return text.replace("AT", "@")

    call = captured_call(
        input={"question": ["janeATexample.com"]},
        output={"answer": "no"},
        attributes={"tenant": "acme"},
        error="lost",
        success=False,
    )
    record, counts = finisher({}, spell_out, str.upper).finish(call)
    assert {"janeATexample.com", "question", "no", "answer", "acme", "tenant", "lost"} <= set(seen)
    assert (record["input"], record["error"]) == ('{"QUESTION":["[EMAIL]"]}', "LOST")
    assert counts == {"email": 1}
    assert record["redaction_version"] != finish()["redaction_version"]


def test_with_a_key_equal_values_have_equal_pseudonyms() -> None:
    keyed = {"redaction": {"pseudonym_key": "env:KEY"}}
    records = [
        finisher(keyed, KEY=KEY_TEXT).finish(captured_call(input={"question": text}))[0]
        for text in ("mail Jane@Example.com", "mail jane@example.com", "mail john@example.com", "password=jane1")
    ]
    assert records[0]["input"] == records[1]["input"] != records[2]["input"]
    assert records[0]["dedup_key"] == records[1]["dedup_key"]
    assert re.fullmatch(r'\{"question":"mail \[EMAIL:[a-p]{16}\]"\}', records[0]["input"])
    assert records[3]["input"] == '{"question":"password=[SECRET]"}'


ENCRYPTED = {
    "encryption": {"write_key": "k2", "keys": {"k1": "env:ABSENT", "k2": "env:KEY"}, "dedup_key": "env:DEDUP"},
}


def test_encrypted_fields_hold_nothing_readable_and_open_with_the_key() -> None:
    call = captured_call(input={"question": "a@b.co tulip"}, output={"answer": "rose"}, error="lily", success=False)
    record, _ = finisher(ENCRYPTED, KEY=KEY_TEXT, DEDUP=OTHER_KEY_TEXT).finish(call)
    assert not re.search("tulip|rose|lily", json.dumps(record))
    assert interaction_codec().decode(interaction_codec().encode(record)) == record
    for name in ("input", "output"):
        assert list(json.loads(record[name])) == ["$hr:enc"]  # type: ignore[literal-required]  # a JSON object still
    where = {"record_id": record["event_id"]}
    assert (
        envelope.unseal_object(record["input"], {"k2": KEY}, field="input", **where) == '{"question":"[EMAIL] tulip"}'
    )
    assert envelope.unseal_object(record["output"], {"k2": KEY}, field="output", **where) == '{"answer":"rose"}'
    assert envelope.unseal(str(record["error"]), {"k2": KEY}, field="error", **where) == "lily"


def test_a_record_that_cannot_be_encrypted_does_not_leave() -> None:
    def no_randomness(_: int) -> bytes:
        raise BlockingIOError

    config = load(None, ENCRYPTED, {})
    keys_at_hand = producer_keys(config, {"KEY": KEY_TEXT, "DEDUP": OTHER_KEY_TEXT})
    with pytest.raises(BlockingIOError):
        Finisher(config, "host-1", Protection(config, keys_at_hand, random_bytes=no_randomness)).finish(captured_call())


def test_where_fields_are_encrypted_the_key_is_keyed_too_and_the_policy_says_so() -> None:
    one, two = (
        finisher(ENCRYPTED, KEY=KEY_TEXT, DEDUP=OTHER_KEY_TEXT).finish(captured_call(event_id=event_id))[0]
        for event_id in "ab"
    )
    assert one["dedup_key"] == two["dedup_key"] != finish()["dedup_key"]
    assert one["input"] != two["input"]
    assert one["dedup_policy"] == f"hmac-{keys.secret_id(OTHER_KEY)}:all"
    assert one["dedup_key"] == keys.dedup_key("Answer", one["fields_hash"], b'{"question":"why 0?"}', secret=OTHER_KEY)


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


def test_a_call_of_which_something_was_left_out_at_capture_is_truncated_and_nobodys_duplicate() -> None:
    first, second = (finish(event_id=event, input={"question": ["...[cut]"]}, truncated=True) for event in ("a", "b"))
    assert first["truncated"]
    assert first["dedup_policy"] == "none"
    assert (first["dedup_key"], second["dedup_key"]) == (keys.event_key("a"), keys.event_key("b"))


def test_an_integer_of_thousands_of_digits_costs_its_digits_and_not_the_record() -> None:
    config = load(None, {}, {})
    finishers = Finishers(config, "host-1", Protection(config, producer_keys(config, {})))
    huge = 10**5_000
    call = captured_call(input={"question": [huge, 1, -huge], "more": {(huge, 2): "kept"}}, output={"n": 10**4_000})
    outgoing, _ = finishers.finish(call)
    record: Any = outgoing.record
    assert canonical.loads(record["input"]) == {
        "question": ["<unencodable int>", 1, "<unencodable int>"],
        "more": {("<unencodable int>", 2): "kept"},
    }
    assert (record["truncated"], record["dedup_key"]) == (True, keys.event_key(record["event_id"]))
    feedback = CapturedFeedback(feedback_id="f", request_id="r", correction={"n": huge}, timestamp_ms=0)
    outgoing, _ = finishers.finish(feedback)
    record = outgoing.record
    assert record["correction"] == '{"n":"<unencodable int>"}'
