"""What is a dead letter, and for which reason."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.dataset.decode import Decoded, FastavroDecoder, Unreadable
from headrace_consumers.dataset.message import Message
from headrace_schemas import interaction_codec
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


@pytest.mark.parametrize("timestamp_ms", [1_577_836_800_000, NOW_MS + DAY_MS])
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
