"""What is a dead letter, and for which reason."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.records.decode import Decoded, FastavroDecoder, Unreadable
from headrace_schemas import envelope, interaction_codec
from tests.support.interactions import NOW_MS, interaction, message_of

DECODER = FastavroDecoder()
DAY_MS = 86_400_000


def decode(message):
    (result,) = DECODER.decode([message])
    return result


def test_a_valid_message_is_decoded_with_its_output():
    result = decode(message_of(interaction()))
    assert isinstance(result, Decoded)
    assert result.output == {"answer": "because"}
    assert result.record == interaction()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signature": "../etc"}, "invalid_name"),
        ({"signature": ".."}, "invalid_name"),
        ({"module_name": ""}, "invalid_name"),
        ({"module_version": "v 1"}, "invalid_name"),
        ({"timestamp_ms": 1_577_836_799_999}, "timestamp_out_of_bounds"),
        ({"timestamp_ms": NOW_MS + DAY_MS + 1}, "timestamp_out_of_bounds"),
        ({"timestamp_ms": 253_402_300_800_000}, "timestamp_out_of_bounds"),
        ({"latency_ms": -1.0}, "invalid_number"),
        ({"cost_usd": float("nan")}, "invalid_number"),
        ({"latency_ms": float("inf")}, "invalid_number"),
        ({"tokens": -1}, "invalid_number"),
        ({"inclusion_probability": 0.0}, "invalid_number"),
        ({"inclusion_probability": 1.5}, "invalid_number"),
        ({"inclusion_probability": float("nan")}, "invalid_number"),
        ({"capture_level": "half"}, "invalid_capture_level"),
        ({"dedup_key": "abc"}, "invalid_key"),
        ({"dedup_key": "A" * 64}, "invalid_key"),
        ({"output": "not json"}, "invalid_json"),
        ({"output": "[1]"}, "invalid_json"),
        ({"input": "null"}, "invalid_json"),
        ({"attributes": "{"}, "invalid_json"),
        ({"output": '{"a":' * 100_000}, "invalid_json"),
    ],
)
def test_reasons_of_records_that_decode_but_are_not_to_be_trusted(changes, reason):
    result = decode(message_of(interaction(**changes)))
    assert isinstance(result, Unreadable)
    assert result.reason == reason
    assert "\n" not in result.detail


@pytest.mark.parametrize("timestamp_ms", [1_577_836_800_000, NOW_MS + DAY_MS], ids=["oldest", "newest"])
def test_timestamps_at_the_bounds_pass(timestamp_ms):
    assert isinstance(decode(message_of(interaction(timestamp_ms=timestamp_ms))), Decoded)


def test_outcome_records_have_their_event_id_as_key():
    record = interaction(capture_level="outcome", dedup_key="event-1")
    assert isinstance(decode(message_of(record)), Decoded)


def test_message_key_and_payload_key_must_agree():
    other = interaction("another")["dedup_key"].encode()
    assert decode(message_of(interaction(), key=other)).reason == "key_mismatch"
    assert decode(dataclasses.replace(message_of(interaction()), key=None)).reason == "key_mismatch"


def test_a_message_without_kafka_timestamp_has_no_ingest_date():
    assert decode(dataclasses.replace(message_of(interaction()), append_time_ms=None)).reason == "no_append_time"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "tombstone"),
        (b"", "not_single_object"),
        (b"{}", "not_single_object"),
        (b"\xc3\x01" + b"\0" * 8, "unknown_schema"),
        (interaction_codec().encode(interaction())[:-5], "undecodable"),
        (interaction_codec().encode(interaction()) + b"\0", "trailing_bytes"),
        (interaction_codec().encode(interaction()) * 2, "trailing_bytes"),
    ],
)
def test_reasons_of_bytes_that_are_no_record(value, reason):
    assert decode(Message(0, 0, b"k", value, NOW_MS)).reason == reason


@given(st.data())
def test_mutated_bytes_never_raise(data):
    value = bytearray(interaction_codec().encode(interaction()))
    for _ in range(data.draw(st.integers(1, 5))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(value)))
    result = decode(Message(0, 0, interaction()["dedup_key"].encode(), bytes(value[:cut]), NOW_MS))
    assert isinstance(result, Decoded | Unreadable)


KEYS = {"2026-05": bytes(range(32)), "2026-11": bytes(range(1, 33))}


def encrypted(key_id="2026-11", **changes):
    """A record as a producer with field encryption writes it."""
    record = {**interaction("tulip", error="lily", success=False), **changes}
    where = {"key": KEYS[key_id], "key_id": key_id, "record_id": record["event_id"]}
    for name in ("input", "output"):
        record[name] = envelope.seal_object(record[name], field=name, **where)
    record["error"] = envelope.seal(record["error"], field="error", **where)
    return record


@pytest.mark.parametrize("key_id", KEYS)
def test_an_encrypted_record_is_plain_with_whichever_key_it_was_written(key_id):
    (result,) = FastavroDecoder(keys=KEYS).decode([message_of(encrypted(key_id))])
    assert isinstance(result, Decoded)
    assert result.record == interaction("tulip", error="lily", success=False)
    assert result.output == {"answer": "because"}


def test_records_that_are_not_encrypted_need_no_key_and_pass_beside_those_that_are():
    results = FastavroDecoder(keys=KEYS).decode([message_of(interaction()), message_of(encrypted())])
    assert [isinstance(result, Decoded) for result in results] == [True, True]
    text = "enc:v1:2026-11:AAAA is what an envelope looks like"
    (result,) = FastavroDecoder().decode([message_of(interaction(error=text))])
    assert result.record["error"] == text


@pytest.mark.parametrize(
    ("keys", "changes", "detail"),
    [
        ({}, {}, r"encryption\.keys is empty"),
        ({"2026-05": KEYS["2026-05"]}, {}, r"key 2026-11, which encryption\.keys lacks"),
        ({"2026-11": KEYS["2026-05"]}, {}, "another key of that name"),
        (KEYS, {"input": encrypted()["output"]}, "input does not open"),
        (KEYS, {"input": encrypted(event_id="event-2")["input"]}, "input does not open"),
        (KEYS, {"event_id": "event-2"}, "changed or moved"),
        (KEYS, {"output": '{"answer":"forged"}'}, "output is no envelope"),
        (KEYS, {"input": '{"question":"forged"}'}, "input is no envelope"),
        (KEYS, {"error": "forged"}, "error is no envelope"),
    ],
)
def test_an_encrypted_record_that_does_not_open_is_a_dead_letter_that_can_be_replayed(keys, changes, detail):
    message = message_of({**encrypted(), **changes})
    (result,) = FastavroDecoder(keys=keys).decode([message])
    assert isinstance(result, Unreadable)
    assert result.reason == "undecryptable"
    assert re.search(detail, result.detail)
    assert not re.search("tulip|lily|because", result.detail)
    (again,) = FastavroDecoder(keys=KEYS).decode([message_of(encrypted())])
    assert isinstance(again, Decoded)
