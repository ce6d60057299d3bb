"""Whether a text is a JSON object, asked of orjson first and of Python's json where orjson won't say yes.

Python's json decides, as it always did: it takes NaN, 1e400 and lone surrogates, and refuses what is nested too deeply
or has thousands of digits. orjson is four times as fast, and what it takes Python takes, but for depth. So its yes
counts where the text is too short, or has too few brackets, to be deep.
"""

import json
from typing import Any, Final

import orjson

__all__ = ["object_of"]

_DEPTH: Final = 400
"""Python gives up somewhere below 1,000 levels, depending on the stack that is left."""


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
