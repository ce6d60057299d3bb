"""Which of many sketches resemble one: buckets by bands of a sketch, none of which grows without end.

Sketches that agree in one band share its bucket. Where many agree in a band (a template, one context for all) its
bucket fills; what comes later goes to a finer one, of those that agree in the next band too, then in four, then in all.
So a question looks at no more than `bands x 4 x size` members, whatever there is.
"""

from collections.abc import Sequence
from typing import Final

__all__ = ["Buckets"]

_WIDTHS: Final = (1, 2, 4, 8)
"""So many bands in a row must agree, in a bucket and in the finer ones behind it; a sketch has at least the last."""


class Buckets:
    """Numbers by the bands of their sketches.

    Args:
        size: so many numbers fit in a bucket.

    Attributes:
        looked_at: members of buckets that questions have looked at so far.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._members: dict[tuple[int, ...], list[int]] = {}
        self.looked_at = 0

    def add(self, number: int, bands: Sequence[int]) -> None:
        """Note a number; where even the finest bucket of a band is full, the number is not in that band's."""
        twice = (*bands, *bands)
        for band in range(len(bands)):
            for width in _WIDTHS:
                members = self._members.setdefault((band, *twice[band : band + width]), [])
                if len(members) < self._size:
                    members.append(number)
                    break

    def nearest(self, bands: Sequence[int], most: int) -> list[int]:
        """Return numbers that share a bucket with a sketch: those that agree in most bands, then the smallest."""
        agreed: dict[int, int] = {}
        twice = (*bands, *bands)
        for band in range(len(bands)):
            for width in _WIDTHS:
                members = self._members.get((band, *twice[band : band + width]), ())
                self.looked_at += len(members)
                for number in members:
                    agreed[number] = agreed.get(number, 0) + width
                if len(members) < self._size:
                    break
        return sorted(agreed, key=lambda number: (-agreed[number], number))[:most]
