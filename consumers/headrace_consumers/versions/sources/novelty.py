"""Whether a proposed example is new: its inputs resemble none that are there.

Two inputs resemble each other by the Jaccard index of the sets of five characters in a row, over their values in lower
case with single blanks. By an index from such pieces to examples, a question costs what
resembles it, not what there is.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

__all__ = ["Novelty", "resemblance"]

_WIDTH: Final = 5
_LONGEST: Final = 20_000
"""So many characters of an example's inputs are compared."""


class Novelty:
    """The inputs that are there.

    Args:
        inputs: of the examples that there are.
        most_alike: the highest Jaccard index that is still new, in [0, 1).
    """

    def __init__(self, inputs: Iterable[Mapping[str, Any]], most_alike: float) -> None:
        self._most_alike = most_alike
        self._sizes: list[int] = []
        self._found: dict[str, list[int]] = defaultdict(list)
        for each in inputs:
            self.add(each)

    def add(self, inputs: Mapping[str, Any]) -> None:
        """Note the inputs of one more example."""
        pieces = _pieces(inputs)
        for piece in pieces:
            self._found[piece].append(len(self._sizes))
        self._sizes.append(len(pieces))

    def is_new(self, inputs: Mapping[str, Any]) -> bool:
        """Tell whether nothing that is there resembles these inputs too much."""
        pieces = _pieces(inputs)
        shared = Counter(number for piece in pieces for number in self._found.get(piece, ()))
        return all(
            common <= self._most_alike * (len(pieces) + self._sizes[number] - common)
            for number, common in shared.items()
        )


def resemblance(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return the Jaccard index of two examples' inputs."""
    pieces, others = _pieces(one), _pieces(other)
    return len(pieces & others) / len(pieces | others)


def _pieces(inputs: Mapping[str, Any]) -> frozenset[str]:
    text = " ".join(" ".join(_texts(inputs)).casefold().split())[:_LONGEST]
    return frozenset(text[at : at + _WIDTH] for at in range(max(1, len(text) - _WIDTH + 1)))


def _texts(value: Any) -> Iterator[str]:
    """Yield what a JSON value says, in the order of its keys."""
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _texts(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    else:
        yield str(value)
