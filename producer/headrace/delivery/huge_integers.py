"""Integers of thousands of digits: Python writes and reads none in decimal, so they have no canonical JSON.

Looked for only where a record could not be finished: one in a million has any.
"""

from dataclasses import replace
from typing import Any, Final

from headrace.captured import Captured, CapturedFeedback

__all__ = ["without_huge_integers"]

_BITS: Final = 2_000
"""Six hundred digits: fewer than the least limit that Python lets anybody set (640)."""
_MARK: Final = "<unencodable int>"


def without_huge_integers(captured: Captured) -> Captured:
    """Return a call or feedback in which a mark stands for each; as truncated, so that it is nobody's duplicate."""
    if isinstance(captured, CapturedFeedback):
        return replace(captured, correction=_marked(captured.correction), truncated=True)
    return replace(
        captured,
        input=_marked(captured.input),
        output=_marked(captured.output),
        attributes=_marked(captured.attributes),
        truncated=True,
    )


def _marked(value: Any) -> Any:
    if isinstance(value, int):
        return _MARK if value.bit_length() > _BITS else value
    if isinstance(value, dict):
        return {_marked(key): _marked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_marked, value))
    return value
