"""Any Python value as JSON values, so that `pydantic.TypeAdapter(annotation).validate_python` reads it back.

Field by field rather than by the objects' own serialisers: dspy.Image and its kin serialise to marker strings that do
not validate back. Whatever has no faithful form becomes ``"<unencodable TypeName>"``: visible, harmless, and
without a guess at what a stranger's `__str__` gives away. NaN, huge integers and keys that are no strings stay as
they are; canonical JSON has a rule for them. The result shares nothing mutable with the value.
"""

import base64
import dataclasses
import sys
from collections import deque
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import Any, Final, TypeAlias
from uuid import UUID

from pydantic import AnyUrl, BaseModel
from pydantic_core import Url, to_jsonable_python

from headrace_schemas import canonical

__all__ = ["MAX_DEPTH", "to_json"]

MAX_DEPTH: Final = 64
"""Deeper parts become ``"<too deep>"``; canonical JSON stops at 100 levels, and attributes and inputs nest further."""

_Path: TypeAlias = frozenset[int]
_PLAIN_CONTAINERS: Final = frozenset({dict, list, tuple})
"""What most values are, and no leaf is."""
_AS_TEXT: Final = (
    UUID,
    Decimal,
    Fraction,
    PurePath,
    complex,
    IPv4Address,
    IPv6Address,
    IPv4Network,
    IPv6Network,
    Url,
    AnyUrl,
)


def to_json(value: object) -> Any:
    """Return `value` as JSON values (None, bool, int, float, str, list, dict). Never raises.

    A value inside itself becomes ``"<cycle>"``.
    """
    return _encode(value, 0, frozenset())


def _encode(value: Any, depth: int, inside: _Path) -> Any:
    kind = type(value)
    if value is None or kind is str or kind is bool or kind is int or kind is float:
        return value
    try:
        return _encode_object(value, depth, inside)
    except Exception:  # a property, a subclass hook or a recursion of somebody's object
        return _unknown(value)


def _encode_object(value: Any, depth: int, inside: _Path) -> Any:
    if type(value) not in _PLAIN_CONTAINERS:
        simple = _encode_leaf(value)
        if simple is not NotImplemented:
            return simple
    if id(value) in inside:
        return "<cycle>"
    if depth >= MAX_DEPTH:
        return "<too deep>"
    inside, depth = inside | {id(value)}, depth + 1
    if isinstance(value, Mapping):
        return {_encode_key(key): _encode(item, depth, inside) for key, item in value.items()}
    if isinstance(value, list | tuple | deque):
        return [_encode(item, depth, inside) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_encode(item, depth, inside) for item in value), key=canonical.dumps)
    if isinstance(value, BaseModel):
        return _encode_model(value, depth, inside)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _encode(getattr(value, f.name), depth, inside) for f in dataclasses.fields(value)}
    dspy = sys.modules.get("dspy")
    if dspy is not None and isinstance(value, dspy.Example):  # a Prediction is one too
        return {_encode_key(name): _encode(item, depth, inside) for name, item in value.items()}
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray):
        return _encode(value.tolist(), depth, inside)
    return _unknown(value)


def _encode_leaf(value: Any) -> Any:
    """Return the form of a value without parts, or NotImplemented."""
    if isinstance(value, Enum):
        return _encode(value.value, MAX_DEPTH - 1, frozenset())
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return to_jsonable_python(value)  # ISO 8601, exact to the microsecond
    if isinstance(value, bytes | bytearray | memoryview):
        return _encode_bytes(bytes(value))
    if isinstance(value, _AS_TEXT):
        return str(value)
    return NotImplemented


def _encode_bytes(value: bytes) -> str:
    """Text where it is UTF-8, which reads back as the same bytes; else base64, which a reader must know of."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _encode_model(value: BaseModel, depth: int, inside: _Path) -> Any:
    kind = type(value)
    if kind.__pydantic_root_model__:
        return _encode(value.root, depth, inside)  # type: ignore[attr-defined]  # only a RootModel has it
    dspy = sys.modules.get("dspy")
    if dspy is not None and isinstance(value, dspy.Tool):  # its other fields are code
        return {name: _encode(getattr(value, name), depth, inside) for name in ("name", "desc", "args")}
    parts = {}
    for name, field in kind.model_fields.items():
        alias = field.validation_alias or field.alias
        parts[alias if isinstance(alias, str) else name] = _encode(getattr(value, name), depth, inside)
    for name, extra in (value.__pydantic_extra__ or {}).items():
        parts[name] = _encode(extra, depth, inside)
    return parts


def _encode_key(key: Any) -> Any:
    """Keys stay hashable; the parts of a tuple are encoded one by one."""
    if type(key) is str:
        return key
    if isinstance(key, tuple):
        return tuple(_encode_key(part) for part in key)
    if isinstance(key, frozenset):
        return tuple(sorted((_encode_key(part) for part in key), key=canonical.dumps))
    encoded = key if key is None or isinstance(key, bool) else _encode_leaf(key)
    return encoded if encoded is None or isinstance(encoded, str | int | float) else _unknown(key)


def _unknown(value: Any) -> str:
    return f"<unencodable {type(value).__qualname__}>"  # the consumer's scorer knows it by this beginning
