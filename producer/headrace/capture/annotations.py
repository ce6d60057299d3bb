"""A field's type as text that is the same in every process: it enters the identity of a dataset.

Classes go by their qualified name without their module, so that moving a class or running it as ``__main__`` does not
begin a new dataset; ``Optional[X]``, ``Union[X, None]`` and ``X | None`` are one.
"""

import inspect
import re
import types
import typing
from typing import Annotated, Any, Final, ForwardRef, Literal, TypeVar, Union, get_args, get_origin

__all__ = ["type_name"]

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


def type_name(annotation: Any) -> str:
    """Return the text of a type annotation, e.g. ``list[Invoice | None]``; ``Any`` where there is none."""
    if annotation is None or annotation is types.NoneType:
        return "None"
    if annotation is inspect.Parameter.empty or annotation is Any:
        return "Any"
    if annotation is ...:
        return "..."
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    if isinstance(annotation, TypeVar):
        return annotation.__name__
    if isinstance(annotation, list):  # the parameters of a Callable
        return f"[{', '.join(map(type_name, annotation))}]"
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(args[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(_literal, args))}]"
    if origin is Union or origin is types.UnionType:
        return " | ".join(map(type_name, args))
    if origin is not None and args:
        return f"{_plain(origin)}[{', '.join(map(type_name, args))}]"
    return _plain(annotation)


def _plain(annotation: Any) -> str:
    if isinstance(annotation, type):
        return annotation.__qualname__
    name = typing.cast("str | None", getattr(annotation, "__name__", None))
    return name or _ADDRESS.sub("", repr(annotation))


def _literal(value: Any) -> str:
    """An enum's repr carries its class and value; a plain value's repr is its text."""
    return _ADDRESS.sub("", repr(value))
