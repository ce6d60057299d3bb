"""How alike two inputs are: by the field that they are least alike in.

With one long context and two questions, the questions decide. A text counts by the Jaccard index of its pairs of words,
or, where it has few blanks (Japanese, Chinese, Thai), of four letters in a row; any other value by being the same.
"""

import re
from collections.abc import Mapping
from functools import cached_property
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


class _Text:
    """A text that is cut into pieces once it is compared."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def is_unspaced(self) -> bool:
        return is_unspaced(self.text)

    @cached_property
    def pieces(self) -> frozenset[str]:
        return pieces(self.text)


Prepared: TypeAlias = Mapping[str, Any]
"""An input's fields, ready to be compared many times."""


def prepared(inputs: Mapping[str, Any]) -> Prepared:
    """Return an input ready to be compared."""
    return {name: _Text(value) if isinstance(value, str) else value for name, value in inputs.items()}


def likeness(one: Prepared, other: Prepared, enough: float = -1.0) -> float:
    """Return how alike two examples' inputs are, from 0 to 1.

    Args:
        one: inputs.
        other: others.
        enough: once they are known to be no more alike than this, that is not made exact: what is returned is no more.
    """
    if one.keys() != other.keys():
        return 0.0
    least = 1.0
    # The short texts first: they are ready sooner, and differ as well.
    for name, value in sorted(one.items(), key=lambda each: _size(each[1])):
        least = min(least, _field_likeness(value, other[name]))
        if least <= enough:
            break
    return least


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


def _size(value: Any) -> int:
    return len(value.text) if isinstance(value, _Text) else 0


def _field_likeness(one: Any, other: Any) -> float:
    if not isinstance(one, _Text) or not isinstance(other, _Text):
        return float(one == other)
    if one.text == other.text:
        return 1.0
    if one.is_unspaced != other.is_unspaced:
        return 0.0
    some, others = one.pieces, other.pieces
    return len(some & others) / len(some | others) if some or others else 0.0
