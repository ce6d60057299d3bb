"""Notices when one reason rejects over half of a signature's records: a threshold is wrong, or a service is.

The records are those that were read since the last warning, old ones at half their weight from time to time; copies are
not decoded, and so are on neither side.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from headrace_consumers.dataset.tally import Tally

__all__ = ["Alarm", "RejectionWatch"]

ENOUGH: Final = 100
"""A share of fewer records says little."""

MOST: Final = 0.5
AGEING: Final = 10_000
"""At so many records their counts are halved, so that what was long ago does not hide what is now."""

MOST_SIGNATURES: Final = 1_000
AGAIN_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """One reason rejects most of a signature's records.

    Attributes:
        signature: whose records.
        reason: why they are rejected.
        rejected: how many for this reason ...
        read: ... of how many.
    """

    signature: str
    reason: str
    rejected: int
    read: int


@dataclass(slots=True)
class _Recent:
    kept: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    quiet_until_s: float = float("-inf")

    @property
    def read(self) -> int:
        return self.kept + self.rejected.total()


class RejectionWatch:
    """Remembers what became of each signature's records lately.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._recent: dict[str, _Recent] = {}

    def note(self, tally: Tally) -> list[Alarm]:
        """Take in a batch that was committed; return what is new about it, of a signature once an hour at most."""
        alarms = []
        now_s = self._clock()
        for signature, of in tally.by_signature().items():
            recent = self._recent.pop(signature, None) or _Recent()
            self._recent[signature] = recent  # the one seen last stands last
            recent.kept += of.kept
            recent.rejected.update(of.rejected)
            reason, rejected = max(recent.rejected.items(), key=lambda item: item[1], default=("", 0))
            if now_s >= recent.quiet_until_s and recent.read >= ENOUGH and rejected > MOST * recent.read:
                alarms.append(Alarm(signature, reason, rejected, recent.read))
                self._recent[signature] = _Recent(quiet_until_s=now_s + AGAIN_S)
            elif recent.read >= AGEING:
                recent.kept //= 2
                recent.rejected = Counter({name: count // 2 for name, count in recent.rejected.items()})
        while len(self._recent) > MOST_SIGNATURES:
            del self._recent[next(iter(self._recent))]
        return alarms
