"""What kind of JSON value something is, in words for people."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, cast

from headrace_schemas import CanonicalizationError, canonical

__all__ = ["NULL", "few_texts", "kind_of", "values_in"]

NULL: Final = "null"
_KINDS: Final = {str: "text", int: "number", float: "number", bool: "boolean", list: "list", dict: "object"}


_TAGGED: Final = '"$hr:'
"""Begins what plain JSON has no form for: large whole numbers, infinities, NaN, halves of characters."""


def values_in(text: str) -> dict[str, Any]:
    """Return the values of a side of an example, of its canonical JSON, with tags undone where there are any."""
    if _TAGGED in text:
        with suppress(CanonicalizationError):  # a text that only looks so
            return cast("dict[str, Any]", canonical.loads(text))
    return cast("dict[str, Any]", json.loads(text))


def kind_of(value: Any) -> str:
    """Return the kind of a JSON value; whole numbers and others are one kind."""
    return _KINDS.get(type(value), NULL)


_FEWEST: Final = 20
_OFTEN: Final = 5
_LONGEST: Final = 64


def few_texts(values: Sequence[Any]) -> frozenset[str] | None:
    """Return the texts that a field has where it looks like a Literal or an enum, else None.

    Its texts are short, at least 20 in all, each there five times on average, and most of the field's values are texts.
    """
    texts = [value for value in values if isinstance(value, str)]
    different = frozenset(texts)
    is_of_few = len(texts) >= max(_FEWEST, _OFTEN * len(different)) and 2 * len(texts) > len(values)
    return different if is_of_few and all(len(text) <= _LONGEST for text in different) else None
