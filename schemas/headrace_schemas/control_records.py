"""The form that all orders of the control topic have in common, whatever their kind. Pure.

    key    <kind>/<name>
    value  Control{kind, name, value: canonical JSON object, updated_at_ms, updated_by}; none is a tombstone

The newest record of a key holds. A reader passes over kinds and members that it does not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from headrace_schemas import canonical
from headrace_schemas.codec import Codec, control_codec
from headrace_schemas.errors import DecodeError, HeadraceError
from headrace_schemas.records import Control

__all__ = ["FUTURE_MS", "OrderError", "OrderRecord", "encoded", "key_of", "name_in", "read_record"]

FUTURE_MS: Final = 3_600_000
"""An order dated so far ahead of this clock comes from a broken one, and is ignored where its date counts."""

_LARGEST: Final = 512 * 1024


class OrderError(HeadraceError):
    """A record of the control topic that is no order; `str()` says why, and shows no value of it."""


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """A record of the control topic.

    Attributes:
        name: what it is about.
        said: the members of its value; None: a tombstone.
        updated_at_ms: when it was written, Unix time in milliseconds.
        updated_by: by whom, for people.
    """

    name: str
    said: Mapping[str, Any] | None
    updated_at_ms: int = 0
    updated_by: str = ""


def key_of(kind: str, name: str) -> bytes:
    """Return the message key."""
    return f"{kind}/{name}".encode()


def name_in(kind: str, key: bytes | None) -> str | None:
    """Return the name in a message key; None where it is of another kind.

    Raises:
        OrderError: it is no text.
    """
    try:
        found, _, name = (key or b"").decode().partition("/")
    except UnicodeDecodeError:
        raise OrderError("its key is no text") from None
    return name if found == kind else None


def encoded(kind: str, name: str, said: Mapping[str, Any], updated_at_ms: int, updated_by: str) -> bytes:
    """Return the message value."""
    record: Control = {
        "kind": kind,
        "name": name,
        "value": canonical.dumps(said).decode(),
        "updated_at_ms": updated_at_ms,
        "updated_by": updated_by,
    }
    return _codec().encode(record)


def read_record(kind: str, key: bytes | None, value: bytes | None, now_ms: int | None) -> OrderRecord | None:
    """Return a message of the control topic; None where it is of another kind.

    Args:
        kind: what is asked for.
        key: the message's key.
        value: its value.
        now_ms: this clock, Unix time in milliseconds; None: whatever it is dated.

    Raises:
        OrderError: it cannot be used.
    """
    name = name_in(kind, key)
    if name is None:
        return None
    if value is None:
        return OrderRecord(name, None)
    if len(value) > _LARGEST:
        raise OrderError(f"it is larger than {_LARGEST} bytes")
    try:
        record = _codec().decode(value)
        said = canonical.loads(record["value"])
    except DecodeError as error:
        raise OrderError(f"it is unreadable ({error.reason})") from None
    except (ValueError, RecursionError):
        raise OrderError("its value is no JSON") from None
    if (record["kind"], record["name"]) != (kind, name):
        raise OrderError("its key and its record name two orders")
    if now_ms is not None and record["updated_at_ms"] > now_ms + FUTURE_MS:
        raise OrderError("it is dated more than an hour ahead of this host's clock")
    if not isinstance(said, dict):
        raise OrderError("its value is no JSON object")
    return OrderRecord(name, said, record["updated_at_ms"], record["updated_by"])


@cache
def _codec() -> Codec[Control]:
    return control_codec()
