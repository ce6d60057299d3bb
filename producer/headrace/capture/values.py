"""Any Python value as JSON values, so that `pydantic.TypeAdapter(annotation).validate_python` reads it back.

Field by field rather than by the objects' own serialisers: dspy.Image and its kin serialise to marker strings that do
not validate back. Whatever has no faithful form becomes ``"<unencodable TypeName>"``: visible, harmless, and
without a guess at what a stranger's `__str__` gives away. So does somebody's own Mapping or Sequence: iterating over it
may read a file or a socket, and this is the caller's thread. What is read is what the plain types, pydantic models,
dataclasses and dspy's objects have stored in them, up to a `Budget`. NaN, huge integers and keys that are no strings
stay as they are; canonical JSON has a rule for them. The result shares nothing mutable with the value.
"""

import dataclasses
import gc
import sys
import weakref
from collections import UserDict, UserList, UserString, deque
from collections.abc import Callable, Iterable, MutableMapping
from enum import Enum
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from headrace.capture.budget import Budget
from headrace.capture.leaves import SCALARS, leaf_of
from headrace.capture.objects import MISSING, model_fields, stored, stored_in
from headrace.captured import CUT_MARK
from headrace.interruption import pass_on
from headrace_schemas import canonical

__all__ = ["MAX_DEPTH", "fields_to_json", "to_json"]

MAX_DEPTH: Final = 64
"""Deeper parts become ``"<too deep>"``; canonical JSON stops at 100 levels, and attributes and inputs nest further."""

_FEW: Final = 64
"""Fields of a call; more are rather a mapping that was handed in as keywords."""

_TEXT: Final = frozenset({str})
_OBJECT: Final = 4
_SET: Final = 16
"""What a field of an object and an item of a set, which is sorted by its JSON, cost beside one of a dict or list."""


class _Walk:
    """One value being read: what may still be copied, and the containers around the part at hand."""

    __slots__ = ("budget", "inside")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.inside: set[int] = set()


_Form: TypeAlias = Callable[[Any, _Walk], Any]
"""How the values of one type become JSON values."""


def to_json(value: object, budget: Budget | None = None) -> Any:
    """Return `value` as JSON values (None, bool, int, float, str, list, dict). Never raises.

    A value inside itself becomes ``"<cycle>"``.

    Args:
        value: anything.
        budget: how much of it may be copied; several values may share one.
    """
    return _encode(value, _Walk(Budget() if budget is None else budget))


def fields_to_json(fields: dict[Any, Any], max_bytes: int) -> tuple[dict[Any, Any], bool]:
    """Return a call's fields as JSON values, and whether some of it was too much to be copied. Never raises.

    Args:
        fields: by name.
        max_bytes: see `Budget`.
    """
    # As nearly always: few fields, which nothing can change, of a call that has emptied the processor's caches.
    is_plain = SCALARS.issuperset(map(type, fields.values())) and _TEXT.issuperset(map(type, fields))
    if is_plain and len(fields) <= min(_FEW, max_bytes // 2):
        return fields.copy(), False
    budget = Budget(max_bytes)
    return to_json(fields, budget), budget.is_cut


def _encode(value: Any, walk: _Walk) -> Any:
    kind = type(value)
    if kind in SCALARS:
        return value
    try:
        form = _PLAIN.get(kind) or _FORMS.get(kind)
        if form is None:
            form = _FORMS[kind] = _form_of(kind)
        return form(value, walk)
    except Exception as error:  # a subclass hook or a recursion of somebody's object
        pass_on(error)
        return _unknown(value)


def _form_of(kind: type) -> _Form:
    """Return how values of a type become JSON values; the same for as long as the type lives."""
    if issubclass(kind, Enum):
        return _enum
    leaf = leaf_of(kind)
    if leaf is not None:
        return lambda value, walk: leaf(value, walk.budget)
    form = next((form for base, form in _CONTAINERS if issubclass(kind, base)), None)
    if form is None and dataclasses.is_dataclass(kind):
        form = _dataclass
    dspy, numpy = sys.modules.get("dspy"), sys.modules.get("numpy")
    if dspy is not None and issubclass(kind, dspy.Tool):
        form = _tool
    elif dspy is not None and issubclass(kind, dspy.Example):  # a Prediction is one too
        form = _example
    elif numpy is not None and issubclass(kind, numpy.generic):
        return _numpy_scalar
    elif numpy is not None and issubclass(kind, numpy.ndarray) and kind.__module__.partition(".")[0] == "numpy":
        form = None if issubclass(kind, numpy.memmap) else _array  # that one is a file
    return _leave if form is None else _within(form)


def _within(form: _Form) -> _Form:
    """Return the form of a container: one inside itself, or too deep, is not entered."""

    def entered(value: Any, walk: _Walk) -> Any:
        inside, key = walk.inside, id(value)
        if key in inside:
            return "<cycle>"
        if len(inside) >= MAX_DEPTH:
            return "<too deep>"
        inside.add(key)
        try:
            return form(value, walk)
        finally:
            inside.discard(key)

    return entered


def _dict(value: Any, walk: _Walk) -> dict[Any, Any]:
    return _object(dict.items(value), dict.__len__(value), walk)


def _object(items: Iterable[tuple[Any, Any]], count: int, walk: _Walk, weight: int = 1) -> dict[Any, Any]:
    kept = walk.budget.parts(count, weight)
    encoded = {
        key if type(key) is str else _encode_key(key, walk): item if type(item) in SCALARS else _encode(item, walk)
        for key, item in (items if kept == count else islice(items, kept))
    }
    if kept < count:
        encoded[CUT_MARK] = f"{count - kept} more"
    return encoded


def _sequence(base: type[list[Any]] | type[tuple[Any, ...]] | type[deque[Any]]) -> _Form:
    measure, iterate = base.__len__, base.__iter__

    def encode(value: Any, walk: _Walk) -> list[Any]:
        count = measure(value)
        kept = walk.budget.parts(count)
        items = iterate(value) if kept == count else islice(iterate(value), kept)
        encoded = [item if type(item) in SCALARS else _encode(item, walk) for item in items]
        if kept < count:
            encoded.append(CUT_MARK)
        return encoded

    return encode


def _set(base: type[set[Any]] | type[frozenset[Any]]) -> _Form:
    def encode(value: Any, walk: _Walk) -> list[Any]:
        count = base.__len__(value)
        if walk.budget.parts(count, _SET) < count:
            return [CUT_MARK]
        items = [_encode(item, walk) for item in base.__iter__(value)]
        if not walk.budget.has_bytes(sum(len(item) for item in items if isinstance(item, str))):  # sorting reads them
            return [CUT_MARK]
        return sorted(items, key=canonical.dumps)

    return encode


def _enum(value: Any, walk: _Walk) -> Any:
    return _encode(value._value_, walk)


def _model(value: BaseModel, walk: _Walk) -> Any:
    if type(value).__pydantic_root_model__:
        return _encode(stored_in(value).get("root"), walk)
    fields = [(name, _found(item, value, name)) for name, item in model_fields(value)]
    return _object(fields, len(fields), walk, _OBJECT)


def _tool(value: Any, walk: _Walk) -> Any:
    """Its other fields are code."""
    return {name: _encode(stored_in(value).get(name), walk) for name in ("name", "desc", "args")}


def _dataclass(value: Any, walk: _Walk) -> Any:
    names = [field.name for field in dataclasses.fields(type(value))]
    return _object([(name, _found(stored(value, name), value, name)) for name in names], len(names), walk, _OBJECT)


def _example(value: Any, walk: _Walk) -> Any:
    fields = stored_in(value)["_store"]
    own = {name: item for name, item in fields.items() if not str(name).startswith("dspy_")}
    return _object(own.items(), len(own), walk)


def _array(value: Any, walk: _Walk) -> Any:
    """As lists, if there is room for all of it: an array's beginning says little."""
    is_plain = value.dtype.kind in "biuf" and value.dtype.itemsize <= _DOUBLE
    has_room = walk.budget.parts(value.size) == value.size and (is_plain or walk.budget.has_bytes(value.nbytes))
    if not has_room:
        return f"<{type(value).__name__} {'x'.join(map(str, value.shape))} {value.dtype.name}>{CUT_MARK}"
    return value.tolist() if is_plain else _encode(value.tolist(), walk)


def _numpy_scalar(value: Any, walk: _Walk) -> Any:
    plain = value.tolist()
    return _unknown(value) if type(plain) is type(value) else _encode(plain, walk)  # a longdouble has no plain form


def _wrapped(value: Any, walk: _Walk) -> Any:
    return _encode(stored_in(value)["data"], walk)


def _proxy(value: Any, walk: _Walk) -> Any:
    """What a mappingproxy stands for, without asking it: it may stand for somebody's own Mapping."""
    return _encode(gc.get_referents(value)[0], walk)


def _leave(value: Any, walk: _Walk) -> str:
    del walk
    return _unknown(value)


def _found(item: Any, value: Any, name: str) -> Any:
    return f"<unencodable {type(value).__qualname__}.{name}>" if item is MISSING else item


def _encode_key(key: Any, walk: _Walk) -> Any:
    """Keys stay hashable; the parts of a tuple are encoded one by one."""
    kind = type(key)
    if kind in SCALARS:
        return key
    if kind is tuple or kind is frozenset:
        if walk.budget.parts(len(key)) < len(key) or len(walk.inside) >= MAX_DEPTH:
            return CUT_MARK
        parts = tuple(_encode_key(part, walk) for part in key)
        return parts if kind is tuple else tuple(sorted(parts, key=canonical.dumps))
    encoded = _encode(key, walk) if issubclass(kind, Enum) or leaf_of(kind) is not None else _unknown(key)
    return encoded if type(encoded) in SCALARS else _unknown(key)


def _unknown(value: Any) -> str:
    return f"<unencodable {type(value).__qualname__}>"  # the consumer's scorer knows it by this beginning


_DOUBLE: Final = 8
_CONTAINERS: Final[tuple[tuple[Any, _Form], ...]] = (
    (dict, _dict),
    (list, _sequence(list)),
    (tuple, _sequence(tuple)),
    (deque, _sequence(deque)),
    (set, _set(set)),
    (frozenset, _set(frozenset)),
    (BaseModel, _model),
    (MappingProxyType, _proxy),
    (UserDict, _wrapped),
    (UserList, _wrapped),
    (UserString, _wrapped),
)
_PLAIN: Final[dict[type, _Form]] = {kind: _within(form) for kind, form in _CONTAINERS[:3]}
_FORMS: Final[MutableMapping[type, _Form]] = weakref.WeakKeyDictionary()
"""Of the types that were met."""
