"""Seeded mutations of valid messages: bytes flipped, cut, moved and spliced, and well-encoded records that lie."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from headrace_consumers.dataset.kafka.message import Message
from headrace_schemas import Interaction, Registry, interaction_codec
from tests.support.interactions import NOW_MS, interaction

__all__ = ["mutants", "mutated"]

_CODEC = interaction_codec()
_FIELDS: dict[str, Any] = {
    field["name"]: field["type"] for field in Registry().current("headrace.v1.Interaction")["fields"]
}
_LONGS = (0, 1, -1, 63, 64, -64, 2**31, -(2**31), 2**53, 2**63 - 1, -(2**63), NOW_MS, 253_370_764_800_000)
_DOUBLES = (0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 5e-324, 1.8e308, 0.1)
_TEXTS = (
    "", "\0", "a\0b", ".", "..", "/..", "../../x", "S" * 10_000, "\u202e", "\U0001f600", "null", "{}", "[]", "{",
    '{"a":"\\ud800"}', '{"a":NaN}', '{"a":1e999}', '{"a":' * 2_000, "[" * 5_000 + "]" * 5_000,
    '{"a":' + "9" * 5_000 + "}", '{"a":null,"a":1}',
    '{"$hr:enc":"enc:v1:k:AAAA"}', "0" * 64, "A" * 64, "outcome", "full", "production", "fields:a,b",
)  # fmt: skip


def mutants(count: int, seed: int, first_offset: int = 0) -> Iterator[Message]:
    """Yield `count` messages of partition 0; about one in ten is left as it was, and some are copies of others."""
    chance = random.Random(seed)
    seeds = [_valid(chance, f"{seed} {number}") for number in range(200)]
    for offset in range(first_offset, first_offset + count):
        # Most have a key of their own, for copies of a key that the table holds are never decoded.
        record = dict(_valid(chance, f"{seed} at {offset}") if chance.random() < 0.7 else chance.choice(seeds))
        key: bytes | None = str(record["dedup_key"]).encode()
        if chance.random() < 0.4:
            _lie(record, chance)
            key = str(record["dedup_key"]).encode("utf-8", "replace") if chance.random() < 0.9 else key
        value: bytes | None = _CODEC.encode(record)  # type: ignore[arg-type]
        if chance.random() < 0.5:
            for _ in range(chance.choice((1, 1, 1, 2, 5))):
                value = chance.choice(_BYTE_MUTATIONS)(value, chance)  # type: ignore[arg-type]
        if chance.random() < 0.02:
            key = chance.choice((None, b"", b"\xff" * 64, b"0" * 64, b"k"))
        if chance.random() < 0.005:
            value = None
        append_time_ms = None if chance.random() < 0.005 else NOW_MS
        yield Message(0, offset, key, value, append_time_ms)


def mutated(value: bytes, chance: random.Random) -> bytes:
    """Return bytes that one mutation made of others."""
    return chance.choice(_BYTE_MUTATIONS)(value, chance)


def _valid(chance: random.Random, number: str) -> Interaction:
    changes: dict[str, Any] = {"event_id": f"event-{number}"}
    for name, kind in _FIELDS.items():
        if isinstance(kind, list) and chance.random() < 0.5:
            changes[name] = None
    if chance.random() < 0.1:
        changes.update(capture_level="outcome", dedup_key=f"event-{number}", input="{}", output="{}")
    return interaction(f"question {number} " + "x" * chance.choice((0, 10, 100, 3_000)), **changes)


def _lie(record: dict[str, Any], chance: random.Random) -> None:
    """Give some fields values that their type allows and no producer writes."""
    for name in chance.sample(sorted(_FIELDS), chance.choice((1, 1, 2, 4))):
        kind = _FIELDS[name]
        optional = isinstance(kind, list)
        if optional and chance.random() < 0.2:
            record[name] = None
            continue
        values = {"string": _TEXTS, "long": _LONGS, "double": _DOUBLES, "boolean": (True, False)}
        record[name] = chance.choice(values[kind[1] if optional else kind])


def _flip(value: bytes, chance: random.Random) -> bytes:
    if not value:
        return value
    at = chance.randrange(len(value))
    return value[:at] + bytes([value[at] ^ 1 << chance.randrange(8)]) + value[at + 1 :]


def _overwrite(value: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(value) + 1)
    noise = chance.randbytes(chance.choice((1, 2, 8, 64)))
    return value[:at] + noise + value[at + len(noise) :]


def _insert(value: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(value) + 1)
    return value[:at] + chance.choice((b"\0", b"\x01", b"\xff" * 10, b"\x80" * 4, chance.randbytes(5))) + value[at:]


def _delete(value: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(value) + 1)
    return value[:at] + value[at + chance.choice((1, 2, 10, 100)) :]


def _cut(value: bytes, chance: random.Random) -> bytes:
    return value[: chance.randrange(len(value) + 1)]


def _append(value: bytes, chance: random.Random) -> bytes:
    return value + chance.choice((b"\0", value, value[10:], chance.randbytes(3)))


def _header(value: bytes, chance: random.Random) -> bytes:
    return chance.choice((b"", b"\xc3", b"\xc3\x01", b"\xc3\x01" + chance.randbytes(8), b"\0" * 10)) + value[10:]


def _exchange(value: bytes, chance: random.Random) -> bytes:
    """Swap two stretches, so that lengths no longer belong to their texts."""
    a, b = sorted(chance.randrange(len(value) + 1) for _ in range(2))
    return value[:a] + value[b : b + 8] + value[a:b] + value[b + 8 :]


_BYTE_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip, _flip, _flip, _overwrite, _insert, _delete, _cut, _append, _header, _exchange,
)  # fmt: skip
