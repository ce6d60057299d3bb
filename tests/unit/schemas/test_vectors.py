"""The published vectors against the code, and against a second implementation from the specifications alone."""

import hashlib
import hmac
import json
import struct
import subprocess
import sys
from importlib import resources
from typing import Any

import pytest

from headrace_schemas import canonical, interaction_codec, vectors

_PUBLISHED = vectors.vectors()
_AVSC = json.loads((resources.files("headrace_schemas") / "avro" / "interaction.v1.avsc").read_text(encoding="utf-8"))


def test_the_published_vectors_are_what_the_code_computes() -> None:
    assert json.loads(json.dumps(vectors.generate())) == _PUBLISHED


def test_the_published_file_is_the_modules_output_byte_for_byte() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "headrace_schemas.vectors"], capture_output=True, check=True, timeout=60
    ).stdout
    assert printed == (resources.files("headrace_schemas") / "vectors.json").read_bytes()


@pytest.mark.parametrize("vector", _PUBLISHED["canonical"], ids=lambda vector: vector["canonical"][:20])
def test_canonical_vectors(vector: dict[str, Any]) -> None:
    text = bytes.fromhex(vector["canonical_hex"])
    assert text.decode() == vector["canonical"]
    if vector["json"] is None:
        assert b'{"$hr:' in text
        assert canonical.dumps(canonical.loads(text)) == text
    else:
        ordinary = json.loads(vector["json"])
        assert json.loads(text) == ordinary
        assert canonical.dumps(ordinary) == text


@pytest.mark.parametrize("vector", _PUBLISHED["sampling"], ids=lambda vector: ascii(vector["request_id"]))
def test_sampling_vectors(vector: dict[str, Any]) -> None:
    request = vector["request_id"].encode()
    (sampling,) = struct.unpack(">Q", hashlib.sha256(b"hr-sample\0" + request).digest()[:8])
    (arm,) = struct.unpack(">Q", hashlib.sha256(b"hr-arm\0r1\0" + request).digest()[:8])
    assert (str(sampling), str(arm)) == (vector["hash"], vector["arm_hash_of_rollout_r1"])
    assert hashlib.sha256(b"hr-request\0" + request).hexdigest() == vector["request_id_hash_hex"]
    expected = {rate: sampling < int(float(rate) * 2**64) for rate in vector["sampled_at_rate"]}
    assert vector["sampled_at_rate"] == expected


def test_the_dedup_vector() -> None:
    vector = _PUBLISHED["dedup_key"]
    listed = json.dumps(sorted(vector["fields"]), separators=(",", ":")).encode()
    assert vector["fields_hash"] == hashlib.sha256(listed).hexdigest()[:16]
    message = "\0".join((vector["signature"], vector["fields_hash"], vector["canonical_inputs"])).encode()
    assert vector["dedup_key"] == hashlib.sha256(message).hexdigest()
    assert vector["event_key_of_event_1"] == hashlib.sha256(b"hr-event\0event-1").hexdigest()
    assert vector["dedup_key_hmac_of_secret_s3cret"] == hmac.new(b"s3cret", message, "sha256").hexdigest()


def _crc_64_avro(data: bytes) -> int:
    """Avro 1.12, "Schema Fingerprints"."""
    empty = 0xC15D213AA4D7A795
    table = []
    for byte in range(256):
        entry = byte
        for _ in range(8):
            entry = (entry >> 1) ^ (empty & -(entry & 1))
        table.append(entry)
    fingerprint = empty
    for byte in data:
        fingerprint = (fingerprint >> 8) ^ table[(fingerprint ^ byte) & 0xFF]
    return fingerprint


def _zigzag(number: int) -> bytes:
    unsigned = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while unsigned > 0x7F:
        encoded.append((unsigned & 0x7F) | 0x80)
        unsigned >>= 7
    encoded.append(unsigned)
    return bytes(encoded)


def _datum(kind: Any, value: Any) -> bytes:
    if isinstance(kind, list):
        return _zigzag(0) if value is None else _zigzag(1) + _datum(kind[1], value)
    if kind == "string":
        return _zigzag(len(value.encode())) + value.encode()
    if kind == "long":
        return _zigzag(value)
    if kind == "double":
        return struct.pack("<d", value)
    assert kind == "boolean"
    return bytes([value])


def test_the_encoding_vector() -> None:
    fields = [{"name": field["name"], "type": field["type"]} for field in _AVSC["fields"]]
    parsing_canonical_form = {"name": f"{_AVSC['namespace']}.{_AVSC['name']}", "type": "record", "fields": fields}
    text = json.dumps(parsing_canonical_form, separators=(",", ":")).encode()
    record = _PUBLISHED["encoding"]["record"]
    body = b"".join(_datum(field["type"], record[field["name"]]) for field in _AVSC["fields"])
    message = b"\xc3\x01" + struct.pack("<Q", _crc_64_avro(text)) + body
    assert message.hex() == _PUBLISHED["encoding"]["message_hex"]
    assert interaction_codec().decode(message) == record
