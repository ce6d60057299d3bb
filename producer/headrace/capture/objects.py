"""The fields of somebody's object as they are stored in it, without a line of its own code being run.

A property, a descriptor or a `__getattr__` may ask a database: an expired attribute of a SQLModel row does. What is
not stored in the object itself is not known here.
"""

import inspect
from collections.abc import Iterator
from types import MemberDescriptorType
from typing import Any, Final

from pydantic import BaseModel

__all__ = ["MISSING", "model_fields", "stored", "stored_in"]

MISSING: Final = object()


def stored_in(value: object) -> dict[str, Any]:
    """Return an object's own attributes, the dictionary itself; empty where it has none."""
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return attributes if type(attributes) is dict else {}


def stored(value: object, name: str) -> Any:
    """Return an attribute of a dataclass: from the object, its slot, or the class's default; else MISSING."""
    attributes = stored_in(value)
    if name in attributes:
        return attributes[name]
    found = inspect.getattr_static(type(value), name, MISSING)
    if isinstance(found, MemberDescriptorType):
        try:
            return found.__get__(value)
        except AttributeError:
            return MISSING
    return MISSING if hasattr(type(found), "__get__") else found


def model_fields(value: BaseModel) -> Iterator[tuple[str, Any]]:
    """Yield a pydantic model's fields and extras, under the names that it is validated from."""
    attributes = stored_in(value)
    for name, field in type(value).model_fields.items():
        alias = field.validation_alias or field.alias
        yield alias if isinstance(alias, str) else name, attributes.get(name, MISSING)
    try:
        extra = object.__getattribute__(value, "__pydantic_extra__")
    except AttributeError:  # made by model_construct() of a class that allows none
        extra = None
    yield from (extra or {}).items()
