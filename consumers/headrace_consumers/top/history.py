"""Two readings of a consumer make increases, and the increases of the last seconds make rates. Pure.

A process begins its counters at zero. That it is a new one shows in the records that it has dealt with: they are fewer
than before. Then all that a counter says has been added since; a counter that falls by itself adds nothing.

A metrics consumer that begins, or is not ready, counts calls of minutes within seconds: what was written while it was
away, and the last minutes again where no Prometheus saw to commits. That is no rate, so rates begin anew after it.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headrace_consumers.top.page import Key, Reading

__all__ = ["History", "Window", "increases"]

_GRACE_S: Final = 10.0
"""For pages that are slow to come."""


def increases(before: Reading, after: Reading) -> dict[Key, float]:
    """Return by how much each counter has grown, those that have; a series that is new began at zero."""
    old: Mapping[Key, float] = {} if _has_begun_again(before, after) else before.counters
    grown = ((key, value - old.get(key, 0.0)) for key, value in after.counters.items())
    return {key: increase for key, increase in grown if increase > 0}


def _has_begun_again(before: Reading, after: Reading) -> bool:
    return after.records < before.records or after.consumer != before.consumer


def _catches_up(before: Reading, after: Reading) -> bool:
    is_of_calls = after.consumer == "metrics"
    return is_of_calls and (_has_begun_again(before, after) or not (before.is_ready and after.is_ready))


@dataclass(frozen=True, slots=True)
class Window:
    """What was added of late.

    Attributes:
        lasted_s: how long it took, seconds; 0: that is too short, so nothing can be said.
        grown: counter -> by how much.
    """

    lasted_s: float
    grown: Mapping[Key, float]


@dataclass(frozen=True, slots=True)
class _Step:
    ended_at: float
    lasted_s: float
    grown: Mapping[Key, float]


class History:
    """The readings of one consumer.

    Args:
        over_s: how far the window reaches back, seconds.
        least_s: how often a producer tells; of less time nothing is said, for it would be nothing, or all at once.

    Attributes:
        reading: the newest one; None: there was none.
    """

    def __init__(self, over_s: float, least_s: float = 0.0) -> None:
        self._over_s = over_s
        self._least_s = least_s
        self._steps: deque[_Step] = deque()
        self._read_at = 0.0
        self.reading: Reading | None = None

    def add(self, reading: Reading, now: float) -> None:
        """Take in a reading.

        Args:
            reading: what it said.
            now: when, seconds, monotonic.
        """
        before, self.reading = self.reading, reading
        lasted_s, self._read_at = now - self._read_at, now
        # What was before a long gap tells nothing of now.
        if before is None or lasted_s > 2 * self._over_s + _GRACE_S or _catches_up(before, reading):
            self._steps.clear()
            return
        self._steps.append(_Step(now, lasted_s, increases(before, reading)))
        while now - self._steps[0].ended_at >= self._over_s:
            self._steps.popleft()

    def window(self) -> Window:
        """Return what the newest steps add up to.

        Of each producer they hold as many reports as of any other, and no half one: they last a multiple of `least_s`.
        """
        lasted_s = sum(step.lasted_s for step in self._steps)
        if lasted_s < self._least_s:
            return Window(0.0, {})
        whole_s = lasted_s // self._least_s * self._least_s if self._least_s else lasted_s
        grown: dict[Key, float] = {}
        lasted_s = 0.0
        for step in reversed(self._steps):
            if lasted_s >= whole_s:
                break
            lasted_s += step.lasted_s
            for key, increase in step.grown.items():
                grown[key] = grown.get(key, 0.0) + increase
        return Window(lasted_s, grown)
