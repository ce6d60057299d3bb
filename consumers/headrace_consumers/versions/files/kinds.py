"""What kind of JSON value something is, in words for people."""

from typing import Any, Final

__all__ = ["NULL", "kind_of"]

NULL: Final = "null"
_KINDS: Final = {str: "text", int: "number", float: "number", bool: "boolean", list: "list", dict: "object"}


def kind_of(value: Any) -> str:
    """Return the kind of a JSON value; whole numbers and others are one kind."""
    return _KINDS.get(type(value), NULL)
