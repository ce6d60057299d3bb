"""How much of a value is copied on the caller's thread: a number of parts and of bytes, asked for before the copying.

What exceeds it is cut to its beginning and marked, and the record with it: such a record never becomes an example.
The bytes are those of `telemetry.max_field_bytes`, for a copy that is longer would be cut to that later anyway; a plain
text is not copied, and costs none.
"""

from typing import Final

__all__ = ["MAX_PARTS", "Budget"]

MAX_PARTS: Final = 20_000
"""Of one side of a call: its inputs, or its output. At most about 5 ms, in as many small lists or dicts."""

_DEFAULT_BYTES: Final = 262_144
_KEPT: Final = 32
"""So many parts stay of a list or object that has too many: it is for people to look at only."""


class Budget:
    """What is left for one value.

    Args:
        max_bytes: that may be copied; also, no more parts than half of it, since each has two bytes of JSON at least.

    Attributes:
        is_cut: whether something was left out.
    """

    __slots__ = ("_bytes_left", "_parts_left", "is_cut")

    def __init__(self, max_bytes: int = _DEFAULT_BYTES) -> None:
        self._parts_left = min(MAX_PARTS, max_bytes // 2)
        self._bytes_left = max_bytes
        self.is_cut = False

    def parts(self, count: int, weight: int = 1) -> int:
        """Take `count` parts, which cost as many times `weight` plain ones; return how many there is room for."""
        cost = count * weight
        if cost > self._parts_left:
            self.is_cut = True
            count = min(count, _KEPT, self._parts_left // weight)
            cost = count * weight
        self._parts_left -= cost
        return count

    def has_bytes(self, size: int) -> bool:
        """Take as many bytes to copy; False, and nothing is taken, where there is no room for them."""
        if size > self._bytes_left:
            self.is_cut = True
            return False
        self._bytes_left -= size
        return True
