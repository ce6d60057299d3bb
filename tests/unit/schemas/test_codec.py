import datetime as dt
import random
from typing import Any

import fastavro
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace_schemas import (
    Codec,
    DeadLetter,
    DecodeError,
    EncodeError,
    Interaction,
    NotSingleObjectError,
    Registry,
    TrailingBytesError,
    UndecodableError,
    UnknownSchemaError,
    dead_letter_codec,
    interaction_codec,
)
from headrace_schemas.vectors import EXAMPLE
from tests.unit.schemas.values import records

_REGISTRY = Registry()
_INTERACTIONS = records(_REGISTRY.current("headrace.v1.Interaction"))
_DEAD_LETTERS = records(_REGISTRY.current("headrace.v1.DeadLetter"))
_CODEC = interaction_codec(_REGISTRY)
_MESSAGE = _CODEC.encode(EXAMPLE)
_BODY = 10
DEAD_LETTER: DeadLetter = {
    "topic": "headrace.interactions.v1",
    "topic_id": "id",
    "partition": 3,
    "offset": 2**40,
    "append_time_ms": None,
    "reason": "unknown_schema",
    "detail": "",
    "key": b"\x00key",
    "value": None,
    "headers": [{"name": "headrace-request", "value": b"\xff"}, {"name": "", "value": None}],
    "consumer": "group",
}


@given(_INTERACTIONS)
def test_an_interaction_is_read_as_it_was_written(record: Interaction) -> None:
    codec = interaction_codec()
    assert codec.decode(codec.encode(record)) == record


@given(_DEAD_LETTERS)
@example(DEAD_LETTER)
def test_a_dead_letter_is_read_as_it_was_written(record: DeadLetter) -> None:
    codec = dead_letter_codec()
    assert codec.decode(codec.encode(record)) == record


def test_a_message_begins_with_the_marker_and_the_fingerprint_that_fastavro_computes() -> None:
    schema = _REGISTRY.current("headrace.v1.Interaction")
    expected = fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(schema), "CRC-64-AVRO")
    assert _MESSAGE[:_BODY] == b"\xc3\x01" + bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("event_id", 5), ("event_id", None), ("event_id", "payload \ud800"), ("timestamp_ms", "payload")),
        *(("timestamp_ms", 2**63), ("redactions", -(2**70)), ("latency_ms", "payload"), ("latency_ms", 10**400)),
        *(("input", b"payload"), ("tokens", 2.5), ("tokens", dt.date(2026, 1, 1))),
    ],
    ids=lambda value: str(value)[:12].encode("ascii", "replace").decode(),
)
def test_a_value_that_does_not_fit_is_refused_without_being_shown(field: str, value: Any) -> None:
    record: Any = {**EXAMPLE, field: value}
    with pytest.raises(EncodeError, match=r"does not fit the schema headrace\.v1\.Interaction \(\w+\)$") as caught:
        interaction_codec().encode(record)
    assert "payload" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_field_that_is_missing_or_too_much_is_refused() -> None:
    record: Any = dict(EXAMPLE)
    del record["model"]
    with pytest.raises(EncodeError, match=r"^field model does not fit"):
        interaction_codec().encode(record)
    record = {**EXAMPLE, "modell": None}
    with pytest.raises(EncodeError):
        interaction_codec().encode(record)


@pytest.mark.parametrize(
    ("message", "error", "reason"),
    [
        (b"", NotSingleObjectError, "not_single_object"),
        (_MESSAGE[:9], NotSingleObjectError, "not_single_object"),
        (b"\x00\x00\x00\x00\x01" + _MESSAGE[_BODY:], NotSingleObjectError, "not_single_object"),  # a registry's framing
        (b'{"event_id": "json"}', NotSingleObjectError, "not_single_object"),
        (b"\xc3\x01" + bytes(8) + _MESSAGE[_BODY:], UnknownSchemaError, "unknown_schema"),
        (dead_letter_codec().encode(DEAD_LETTER), UnknownSchemaError, "unknown_schema"),
        (_MESSAGE[:_BODY], UndecodableError, "undecodable"),
        (_MESSAGE[:-1], UndecodableError, "undecodable"),
        (_MESSAGE[: _BODY + 1] + b"\xff\xff" + _MESSAGE[_BODY + 3 :], UndecodableError, "undecodable"),  # not UTF-8
        (_MESSAGE + b"\x00", TrailingBytesError, "trailing_bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_reason_why_bytes_are_no_record(message: bytes, error: type[DecodeError], reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        interaction_codec().decode(message)
    assert type(caught.value) is error
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)


@given(st.integers(0, len(_MESSAGE) - 1))
def test_a_message_cut_anywhere_is_no_record(length: int) -> None:
    with pytest.raises(DecodeError):
        interaction_codec().decode(_MESSAGE[:length])


def _decode_or_refuse(codec: Codec[Any], message: bytes) -> None:
    try:
        record = codec.decode(message)
    except DecodeError as error:
        assert "\n" not in str(error)  # noqa: PT017  # most mutations are refused, some are other records
        return
    assert codec.decode(codec.encode(record)) is not None


@settings(max_examples=1000)
@given(st.lists(st.tuples(st.integers(_BODY, len(_MESSAGE) - 1), st.binary(min_size=1, max_size=12)), min_size=1))
def test_mutated_bytes_raise_decode_errors_only(changes: list[tuple[int, bytes]]) -> None:
    message = bytearray(_MESSAGE)
    for at, replacement in changes:
        message[at : at + len(replacement)] = replacement
    _decode_or_refuse(_CODEC, bytes(message))


@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_flipped_bytes_raise_decode_errors_only(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(5000):
        message = bytearray(_MESSAGE)
        for _ in range(chance.randint(1, 4)):
            message[chance.randrange(_BODY, len(message))] = chance.randrange(256)
        _decode_or_refuse(_CODEC, bytes(message))


@settings(max_examples=1000)
@given(st.binary(max_size=200))
def test_any_bytes_behind_a_known_fingerprint_raise_decode_errors_only(body: bytes) -> None:
    for codec, example_ in ((interaction_codec(_REGISTRY), EXAMPLE), (dead_letter_codec(_REGISTRY), DEAD_LETTER)):
        _decode_or_refuse(codec, codec.encode(example_)[:_BODY] + body)


@settings(max_examples=500)
@given(st.binary(max_size=40))
def test_any_bytes_raise_decode_errors_only(message: bytes) -> None:
    with pytest.raises(DecodeError):
        interaction_codec(_REGISTRY).decode(message)


@pytest.mark.parametrize("length", [2**20, 2**40, 2**62, -1, -(2**62)])
def test_a_length_beyond_the_message_is_refused_before_memory_is_taken(length: int) -> None:
    zigzag, varint = (length << 1) ^ (length >> 63), bytearray()
    while zigzag > 0x7F:
        varint.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    with pytest.raises(UndecodableError):
        interaction_codec().decode(_MESSAGE[:_BODY] + bytes([*varint, zigzag]) + b"x")
