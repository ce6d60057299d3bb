"""Whether Kafka takes the records of a topic, judged by what comes back. Pure.

In doubt it does not: then records go to disk rather than wait in memory. Doubt begins when a record fails, when the
client says that no broker is there, or when the oldest record under way is older than `stall_s`. It ends with an
acknowledgement; so while it lasts, one record at a time is sent to see.
"""

from collections.abc import Callable
from typing import Final

__all__ = ["Link"]

_STALL_S: Final = 5.0
_PROBE_EVERY_S: Final = 1.0


class Link:
    """Judges one topic's way to the broker.

    Args:
        clock: seconds, monotonic.
        stall_s: how old a record under way may be.
        probe_every_s: the pause between two probes.
    """

    def __init__(
        self, clock: Callable[[], float], *, stall_s: float = _STALL_S, probe_every_s: float = _PROBE_EVERY_S
    ) -> None:
        self._clock = clock
        self._stall_s = stall_s
        self._probe_every_s = probe_every_s
        self._sent_s: dict[int, float] = {}
        self._next = 0
        self._acknowledged_s: float | None = None
        self._is_doubtful = False
        self._probed_s = float("-inf")

    @property
    def under_way(self) -> int:
        """How many records were sent and not told of since."""
        return len(self._sent_s)

    def is_up(self) -> bool:
        """Whether records are sent as they come. Before anything is known they are."""
        if not self._is_doubtful and self._sent_s:
            self._is_doubtful = self._clock() - next(iter(self._sent_s.values())) > self._stall_s
        return not self._is_doubtful

    def is_confirmed(self) -> bool:
        """Whether there is no doubt, and an acknowledgement has been seen."""
        return self.is_up() and self._acknowledged_s is not None

    def may_probe(self) -> bool:
        """Whether, in doubt, a record may be sent to see: nothing is under way, and the last probe was a while ago."""
        return not self._sent_s and self._clock() - self._probed_s >= self._probe_every_s

    def send(self) -> int:
        """Tell of a record that is being sent; return its number, to tell what became of it."""
        number, self._next = self._next, self._next + 1
        self._sent_s[number] = self._probed_s = self._clock()
        return number

    def acknowledge(self, number: int) -> None:
        """Tell that the broker has a record."""
        self._sent_s.pop(number, None)
        self._acknowledged_s = self._clock()
        self._is_doubtful = False

    def withdraw(self, number: int) -> None:
        """Tell that a record was not sent after all, or is lost for a reason that says nothing about the broker."""
        self._sent_s.pop(number, None)

    def fail(self, number: int) -> bool:
        """Tell that a record came back; return whether others got through since it was sent."""
        sent_s = self._sent_s.pop(number, None)
        self._is_doubtful = True
        return sent_s is not None and self._acknowledged_s is not None and self._acknowledged_s > sent_s

    def doubt(self) -> None:
        """Tell that the client has no broker."""
        self._is_doubtful = True
