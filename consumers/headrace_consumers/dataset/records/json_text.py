"""Whether a text is a JSON object, asked of orjson first and of Python's json where orjson won't say yes.

Python's json decides, as it always did: it takes NaN, 1e400 and lone surrogates, and refuses what is nested too deeply
or has thousands of digits. orjson is four times as fast, and what it takes Python takes, but for depth. So its yes
counts where the text is too short, or has too few brackets, to be deep.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

__all__ = ["are_objects", "object_of", "objects_of"]

_DEPTH: Final = 400
"""Python gives up somewhere below 1,000 levels, depending on the stack that is left."""

_AT_ONCE: Final = 1_000


def objects_of(texts: pl.Series) -> Iterator[list[dict[str, Any] | None]]:
    """Yield what `object_of` says of each of many texts, a thousand at once; those that are plainly right cost less."""
    may_be_deep = _may_be_deep(texts)
    for first in range(0, len(texts), _AT_ONCE):
        part = texts.slice(first, _AT_ONCE).to_list()
        yield (None if may_be_deep else _plain_objects(part)) or list(map(object_of, part))


def are_objects(texts: pl.Series) -> npt.NDArray[np.bool_]:
    """Tell which of many texts are objects."""
    parts = [
        np.ones(len(part), np.bool_) if all(part) else np.asarray([value is not None for value in part])
        for part in objects_of(texts)
    ]
    return np.concatenate([np.empty(0, np.bool_), *parts])


def _plain_objects(texts: list[str]) -> list[dict[str, Any] | None] | None:
    """Return the objects, or None where one of the texts needs a closer look."""
    try:
        values = list(map(orjson.loads, texts))
    except orjson.JSONDecodeError:
        return None
    return values if set(map(type, values)) == {dict} else None


def _may_be_deep(texts: pl.Series) -> bool:
    long = texts.filter(texts.str.len_bytes() > 2 * _DEPTH)
    brackets = long.str.count_matches("[", literal=True) + long.str.count_matches("{", literal=True)
    return bool((brackets > _DEPTH).any())


def object_of(text: str) -> dict[str, Any] | None:
    """Return the object, or None where the text is not JSON or JSON of something else."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return _by_python(text)
    if len(text) > 2 * _DEPTH and text.count("[") + text.count("{") > _DEPTH:
        return _by_python(text)
    return value if isinstance(value, dict) else None


def _by_python(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
