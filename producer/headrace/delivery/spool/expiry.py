"""When records are too old to be kept: looked at when a process begins, and once a day.

Their age is told by the host's clock, which may be set. A jump of it makes nothing old at once: what a day of the
process's own time does not confirm is left for the next look.
"""

from collections.abc import Callable
from typing import Final

__all__ = ["Expiry"]

_DAY_S: Final = 86_400.0
_JUMP_S: Final = 3600.0


class Expiry:
    """Tells when to look, and for what.

    Args:
        max_age_days: how long records are kept.
        time_s: Unix time in seconds.
        clock: seconds, monotonic.
    """

    def __init__(self, max_age_days: float, time_s: Callable[[], float], clock: Callable[[], float]) -> None:
        self._max_age_s = max_age_days * _DAY_S
        self._time_s = time_s
        self._clock = clock
        self._looked: tuple[float, float] | None = None

    def oldest_ms(self) -> float | None:
        """Return, where a look is due, the Unix time in milliseconds before which all is too old."""
        now = self._time_s(), self._clock()
        before = self._looked
        if before is not None and now[1] - before[1] < _DAY_S:
            return None
        self._looked = now
        if before is not None and (now[0] - before[0]) - (now[1] - before[1]) > _JUMP_S:
            return None
        return (now[0] - self._max_age_s) * 1000
