"""When a batch that could not be committed is tried again: soon, then less and less often, and not for ever."""

from typing import Final

__all__ = ["Retrying"]

_PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class Retrying:
    """Remembers since when commits fail.

    Args:
        give_up_after_s: how long they may.

    Attributes:
        since: when the first of them failed, seconds, monotonic; None: the last one did not.
    """

    def __init__(self, give_up_after_s: float) -> None:
        self._give_up_after_s = give_up_after_s
        self._failures = 0
        self._next_at = 0.0
        self.since: float | None = None

    def failed(self, now: float) -> float | None:
        """Take in a failure; return how long to wait, or None where it is time to give up."""
        if self.since is None:
            self.since = now
        if now - self.since >= self._give_up_after_s:
            return None
        pause_s = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
        self._failures += 1
        self._next_at = now + pause_s
        return pause_s

    def succeeded(self) -> None:
        """Take in a success."""
        self._failures = 0
        self.since = None

    def is_due(self, now: float) -> bool:
        """Tell whether to try now."""
        return self.since is None or now >= self._next_at
