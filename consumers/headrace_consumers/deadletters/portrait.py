"""One dead letter for people: its circumstances always, its payload only when it is asked for.

The payload may hold personal data, so without `payload` nothing of key, value or headers is shown but sizes, a key that
is a hash, the names of the headers, and which schema the bytes claim.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from headrace_consumers.deadletters.letters import Letter, Replayed
from headrace_consumers.deadletters.reasons import REASONS
from headrace_schemas import DecodeError, Registry, interaction_codec
from headrace_schemas.codec import HEADER_LENGTH, MARKER

__all__ = ["hexdump", "portrait"]

_HASH: Final = re.compile(rb"[0-9a-f]{64}")
_WIDTH: Final = 16


def portrait(
    found: Sequence[Letter | Replayed], registry: Registry, *, payload: bool = False, most_bytes: int = 512
) -> dict[str, Any]:
    """Return what is known of a letter as JSON values.

    Args:
        found: its copies, at least one, and its marks.
        registry: the schemas that its bytes may be of.
        payload: also show key, headers, the record if it decodes, and the first bytes.
        most_bytes: how many bytes of the value are dumped.
    """
    letters = [entry for entry in found if isinstance(entry, Letter)]
    marks = [entry for entry in found if isinstance(entry, Replayed)]
    letter, value = letters[-1].letter, letters[-1].letter["value"]
    shown: dict[str, Any] = {
        "source": letters[-1].source,
        "reason": letter["reason"],
        "meaning": REASONS.get(letter["reason"], ""),
        "detail": letter["detail"],
        "topic_id": letter["topic_id"],
        "append_time_ms": letter["append_time_ms"],
        "written_at_ms": letters[-1].written_at_ms,
        "consumer": letter["consumer"],
        "copies": len(letters),
        "key": _key(letter["key"]),
        "value": _claims(value, registry),
        "headers": [f"{header['name']}: {_size(header['value'])}" for header in letter["headers"]],
        "replayed_to": [mark.target for mark in marks],
    }
    if payload:
        shown["payload"] = {
            "key": None if letter["key"] is None else letter["key"].decode("utf-8", "backslashreplace"),
            "headers": {
                header["name"]: None if header["value"] is None else header["value"].decode("utf-8", "backslashreplace")
                for header in letter["headers"]
            },
            "record": _record(value, registry),
            "hexdump": hexdump(value or b"", most_bytes),
        }
    return shown


def hexdump(value: bytes, most_bytes: int) -> list[str]:
    """Return lines of offset, hex and the printable ASCII characters, as `hexdump -C` does."""
    shown = value[:most_bytes]
    lines = []
    for at in range(0, len(shown), _WIDTH):
        chunk = shown[at : at + _WIDTH]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in chunk)  # noqa: PLR2004  # ASCII's bounds
        lines.append(f"{at:08x}  {chunk.hex(' '):<{_WIDTH * 3 - 1}}  |{text}|")
    if len(value) > most_bytes:
        lines.append(f"... {len(value) - most_bytes:,} more bytes")
    return lines


def _key(key: bytes | None) -> str:
    if key is not None and _HASH.fullmatch(key):
        return key.decode()
    return "none" if key is None else f"{_size(key)}, not 64 hex digits"


def _size(value: bytes | None) -> str:
    return "null" if value is None else "1 byte" if len(value) == 1 else f"{len(value):,} bytes"


def _claims(value: bytes | None, registry: Registry) -> str:
    size = _size(value)
    if value is None:
        return size
    if len(value) < HEADER_LENGTH or not value.startswith(MARKER):
        return f"{size}, not Avro's single-object encoding"
    fingerprint = value[len(MARKER) : HEADER_LENGTH]
    schema = registry.by_fingerprint(fingerprint)
    return f"{size}, schema {fingerprint.hex()} ({'unknown' if schema is None else schema['name']})"


def _record(value: bytes | None, registry: Registry) -> dict[str, Any] | None:
    try:
        return dict(interaction_codec(registry).decode(value or b""))
    except DecodeError:
        return None
