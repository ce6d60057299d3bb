"""Messages that somebody may put on the topic, and what must become of each: a reason, or a row."""

from dataclasses import dataclass
from typing import Any

from headrace_schemas import Registry, interaction_codec
from headrace_schemas.codec import MARKER
from headrace_schemas.registry import fingerprint_of
from tests.support.interactions import interaction

__all__ = ["POISON", "ROW", "Poison"]

ROW = "row"
"""It looks dangerous and is a record like others."""

_DATUM = interaction_codec().encode(interaction())
_OTHER_HEADER = MARKER + fingerprint_of(Registry().current("headrace.v1.Feedback"))
_YEAR_9999_MS = 253_370_764_800_000
_MEGABYTE = "x" * 1_000_000


@dataclass(frozen=True)
class Poison:
    """One message.

    Attributes:
        name: names it in a test's id.
        key: the message key.
        value: the message's bytes.
        becomes: ROW, or the reason of its dead letter.
    """

    name: str
    key: bytes | None
    value: bytes | None
    becomes: str


def _record(name: str, becomes: str, **changes: Any) -> Poison:
    """A record that is well encoded and says something odd; the question makes its key its own."""
    record = interaction(f"poison: {name}", **changes)
    return Poison(name, record["dedup_key"].encode(), interaction_codec().encode(record), becomes)


def _bytes(name: str, becomes: str, value: bytes | None, key: bytes | None = b"k") -> Poison:
    return Poison(name, key, value, becomes)


def _spliced(name: str, becomes: str, old: bytes, new: bytes, **changes: Any) -> Poison:
    """A record whose encoded bytes are changed in place, for what no encoder would write."""
    assert len(old) == len(new)
    record = interaction(f"poison: {name}", **changes)
    value = interaction_codec().encode(record)
    assert value.count(old) == 1
    return Poison(name, record["dedup_key"].encode(), value.replace(old, new), becomes)


def _nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


POISON: tuple[Poison, ...] = (
    _bytes("nothing at all", "not_single_object", b""),
    _bytes("noise", "not_single_object", bytes(range(256)) * 4),
    _bytes("json", "not_single_object", b'{"module_name": "support", "input": {"question": "why?"}}'),
    _bytes("no key and noise", "not_single_object", b"\xff\xfe", key=None),
    _bytes("tombstone", "tombstone", None),
    _bytes("header only", "undecodable", _DATUM[:10]),
    _bytes("unknown schema", "unknown_schema", b"\xc3\x01" + b"\x13" * 8 + _DATUM[10:]),
    _bytes("another record's schema", "unknown_schema", _OTHER_HEADER + _DATUM[10:]),
    _bytes("truncated datum", "undecodable", _DATUM[:-5]),
    _bytes("truncated in the first field", "undecodable", _DATUM[:12]),
    _bytes("trailing bytes", "trailing_bytes", _DATUM + b"\0"),
    _bytes("two records in one message", "trailing_bytes", _DATUM + _DATUM[10:]),
    _bytes("a length of 2^62", "undecodable", _DATUM[:10] + b"\xfe" + b"\xff" * 7 + b"\x7f" + _DATUM[11:]),
    _bytes("a negative length", "undecodable", _DATUM[:10] + b"\x01" + _DATUM[11:]),
    _bytes("a varint without end", "undecodable", _DATUM[:10] + b"\xff" * 1_000),
    _spliced("bytes that are no UTF-8", "undecodable", b"sentinel", b"\xff\xfe\xfd\xfc1234", service="sentinel"),
    _spliced("a lone surrogate in UTF-8", "undecodable", b"half?", b"\xed\xa0\x80ab", service="half?"),
    _record("a lone surrogate in JSON", ROW, output='{"answer":"\\ud800"}'),
    _record("NUL in JSON", ROW, output='{"answer":"a\\u0000b"}'),
    _record("NUL in a text", ROW, service="a\0b"),
    _record("a bare NUL inside JSON", "invalid_json", output='{"answer":"\0"}'),
    _record("NUL in a name", "invalid_name", signature="Answer\0"),
    _record("a bomb of nesting", "invalid_json", output=_nested(100_000)),
    _record("a bomb of brackets", "invalid_json", attributes="[" * 500_000),
    _record("a field of 1 MB", ROW, output='{"answer":"' + _MEGABYTE + '"}'),
    _record("a model of 1 MB", ROW, model=_MEGABYTE),
    _record("a signature of 1 MB", "invalid_name", signature=_MEGABYTE),
    _record("a signature of 10,000 characters", "invalid_name", signature="S" * 10_000),
    _record("a signature that climbs", "invalid_name", signature="Answer/.."),
    _record("a signature of dots", "invalid_name", signature=".."),
    _record("a module that climbs", "invalid_name", module_name="/../../etc/passwd"),
    _record("the year 9999", "timestamp_out_of_bounds", timestamp_ms=_YEAR_9999_MS),
    _record("the year 1970", "timestamp_out_of_bounds", timestamp_ms=0),
    _record("the largest timestamp", "timestamp_out_of_bounds", timestamp_ms=2**63 - 1),
    _record("a latency that is no number", "invalid_number", latency_ms=float("nan")),
    _record("a probability of 0", "invalid_number", inclusion_probability=0.0),
    _record("tokens below 0", "invalid_number", tokens=-1),
    _record("tokens at their largest", ROW, tokens=2**63 - 1),
    _record("a capture level of tomorrow", "invalid_capture_level", capture_level="partial"),
    _record("an output that is a list", "invalid_json", output="[1]"),
    _record("an output that is empty", "invalid_json", output=""),
    _record("an infinite number in JSON", ROW, output='{"answer":1e400}'),
    _record("a number of 4,000 digits", ROW, output='{"answer":' + "9" * 4_000 + "}"),
    _record("a number of 10,000 digits", "invalid_json", output='{"answer":' + "9" * 10_000 + "}"),
    Poison("somebody else's key", b"0" * 64, _DATUM, "key_mismatch"),
    Poison("no key", None, _DATUM, "key_mismatch"),
    _record("a key that is none", "invalid_key", dedup_key="not 64 hex digits"),
    _record("an envelope that nobody sealed", "undecryptable", input='{"$hr:enc":"enc:v1:k:AAAA"}'),
)
