"""How much of an output is there: the share of its fields that are filled."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["UNENCODABLE_PREFIX", "filled_share"]

UNENCODABLE_PREFIX: Final = "<unencodable "
"""How the producer marks a value that has no JSON form."""


def filled_share(output: Mapping[str, Any]) -> float:
    """Return the share of output fields that are there, not empty and readable; 0 where there is no field."""
    return sum(map(_is_filled, output.values())) / len(output) if output else 0.0


def _is_filled(value: Any) -> bool:
    if isinstance(value, str):
        return not (not value or value.isspace() or value.startswith(UNENCODABLE_PREFIX))
    return not (value is None or value in ([], {}))
