"""Values without parts as JSON values: text, numbers, dates, bytes and their like, by the plain types' own methods.

A subclass's `__str__` is somebody's code; what it may do, and what it gives away, nobody knows.
"""

import base64
import codecs
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import Any, Final, TypeAlias
from uuid import UUID

from pydantic import AnyUrl
from pydantic_core import Url, to_jsonable_python

from headrace.capture.budget import Budget
from headrace.captured import CUT_MARK

__all__ = ["SCALARS", "Leaf", "leaf_of"]

Leaf: TypeAlias = Callable[[Any, Budget], Any]

SCALARS: Final = frozenset({type(None), str, bool, int, float})
"""What is JSON as it is, and immutable."""


def leaf_of(kind: type) -> Leaf | None:
    """Return how values of a type become JSON values, None where they have parts or no such form."""
    return next((leaf for base, leaf in _LEAVES if issubclass(kind, base)), None)


def _text(value: str, budget: Budget) -> str:
    if budget.has_bytes(str.__len__(value)):
        return str.__str__(value)
    return str.__getitem__(value, slice(_BEGINNING)) + CUT_MARK


def _bytes(value: bytes | bytearray, budget: Budget) -> str:
    """Text where it is UTF-8, which reads back as the same bytes; else base64, which a reader must know of."""
    if not budget.has_bytes(len(value)):
        return _beginning(bytes(value[:_BEGINNING])) + CUT_MARK
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _memory(value: memoryview, budget: Budget) -> str:
    if not budget.has_bytes(value.nbytes):
        return CUT_MARK
    return _bytes(value.tobytes(), Budget(value.nbytes))


def _beginning(value: bytes) -> str:
    try:
        return codecs.utf_8_decode(value, "strict", False)[0]  # noqa: FBT003  # a character may be cut in two
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _decimal(value: Decimal, budget: Budget) -> str:
    return Decimal.__str__(value) if budget.has_bytes(Decimal.__sizeof__(value)) else CUT_MARK


def _number(convert: Callable[[Any], Any]) -> Leaf:
    return lambda value, _: convert(value)


_BEGINNING: Final = 256
"""Characters or bytes that stay of a text or bytes that are too long."""

_AS_TEXT: Final = (UUID, Fraction, PurePath, complex, IPv4Address, IPv6Address, IPv4Network, IPv6Network, Url, AnyUrl)
_LEAVES: Final[tuple[tuple[Any, Leaf], ...]] = (
    (str, _text),
    (int, _number(int.__int__)),
    (float, _number(float.__float__)),
    (datetime | date | time, _number(lambda value: value.isoformat())),
    (timedelta, _number(to_jsonable_python)),  # ISO 8601, exact to the microsecond
    (bytes | bytearray, _bytes),
    (memoryview, _memory),
    (Decimal, _decimal),
    *((kind, _number(kind.__str__)) for kind in _AS_TEXT),
)
