"""How long the background thread would need for the calls that wait, judged by those it has done. Pure.

What waits must be finished at exit before it may go anywhere, disk included: it is not redacted yet. So the queue holds
no more than fits into a share of the time for exit. Large calls take longer, in proportion.
"""

from typing import Final

__all__ = ["Pace"]

_DECAY: Final = 0.99
"""After so many records as 1 / (1 - this) an old one hardly counts."""

_FIRST_GUESS: Final = (150_000.0, 0.075)
"""Bytes, and the seconds that they take on a busy machine: what fifty records of the usual size would have told. So the
very first one, which takes longer, does not decide alone."""


class Pace:
    """Learns from each record; one thread tells it, any may ask."""

    def __init__(self) -> None:
        self._bytes, self._seconds = _FIRST_GUESS
        self._seconds_per_byte = self._seconds / self._bytes

    def note(self, size: int, seconds: float) -> None:
        """Tell how long a call of so many bytes, by `footprint`, took."""
        self._bytes = self._bytes * _DECAY + size
        self._seconds = self._seconds * _DECAY + seconds
        self._seconds_per_byte = self._seconds / self._bytes

    def seconds_for(self, size: int) -> float:
        """Return how long calls of so many bytes together will take."""
        return size * self._seconds_per_byte
