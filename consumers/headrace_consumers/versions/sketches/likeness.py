"""How alike two inputs are: by the field that they are least alike in.

With one long context and two questions, the questions decide. A text counts by the Jaccard index of its pairs of words,
or, where it has few blanks (Japanese, Chinese, Thai), of four letters in a row; any other value by being the same.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

__all__ = ["LETTERS", "LETTERS_BETWEEN_BLANKS", "LONGEST", "Prepared", "is_unspaced", "likeness", "pieces", "prepared"]

LONGEST: Final = 20_000
"""So many characters of a field are compared."""

LETTERS: Final = 4
"""So many in a row are a piece of a text without blanks."""

LETTERS_BETWEEN_BLANKS: Final = 16
"""Of a text whose words are longer on the average, blanks do not tell the words."""

_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    is_unspaced: bool
    pieces: frozenset[str]


Prepared: TypeAlias = Mapping[str, Any]
"""An input's fields, ready to be compared many times."""


def prepared(inputs: Mapping[str, Any]) -> Prepared:
    """Return an input ready to be compared."""
    return {
        name: _Text(value, is_unspaced(value), pieces(value)) if isinstance(value, str) else value
        for name, value in inputs.items()
    }


def likeness(one: Prepared, other: Prepared) -> float:
    """Return how alike two examples' inputs are, from 0 to 1."""
    if one.keys() != other.keys():
        return 0.0
    return min((_field_likeness(value, other[name]) for name, value in one.items()), default=1.0)


def is_unspaced(text: str) -> bool:
    """Tell whether a text is compared by its letters. Such a text and one that is not are never alike."""
    text = text[:LONGEST]
    return len(text) > LETTERS_BETWEEN_BLANKS * max(1, len(text.split()))


def pieces(text: str) -> frozenset[str]:
    """Return what a text is compared by; nothing where it has neither letters nor digits."""
    words = _WORD.findall(text[:LONGEST].casefold())
    if is_unspaced(text):
        letters = "".join(words)
        return frozenset(letters[at : at + LETTERS] for at in range(max(1, len(letters) - LETTERS + 1)) if letters)
    if len(words) == 1:
        return frozenset(words)
    return frozenset(f"{first} {second}" for first, second in pairwise(words))


def _field_likeness(one: Any, other: Any) -> float:
    if one == other:
        return 1.0
    if not isinstance(one, _Text) or not isinstance(other, _Text) or one.is_unspaced != other.is_unspaced:
        return 0.0
    some, others = one.pieces, other.pieces
    return len(some & others) / len(some | others) if some or others else 0.0
