"""Watching how much memory the seen-set takes, against what the operator planned for."""

from dataclasses import dataclass
from typing import Final

import structlog

__all__ = ["MemoryWatch", "Size"]

log = structlog.get_logger("headrace.dataset")

_WARN_AT: Final = 0.8


@dataclass(frozen=True, slots=True)
class Size:
    """How large a seen-set is.

    Attributes:
        keys: in the partitions that are loaded.
        memory_bytes: what they take in memory.
    """

    keys: int
    memory_bytes: int

    @property
    def memory_mb(self) -> float:
        """The memory in MB of 10^6 bytes."""
        return round(self.memory_bytes / 1e6, 1)


class MemoryWatch:
    """Warns when the seen-set comes near its planned size and again when it is beyond; it never stops anything.

    Args:
        planned_bytes: what was planned for.
    """

    def __init__(self, planned_bytes: float) -> None:
        self._planned_bytes = planned_bytes
        self._told = 0

    def look(self, size: Size) -> None:
        """Say it if the size has passed a mark since it was looked at last."""
        level = (size.memory_bytes >= _WARN_AT * self._planned_bytes) + (size.memory_bytes >= self._planned_bytes)
        if level > self._told:
            log.warning(
                "seen-set larger than planned" if level > 1 else "seen-set nearly as large as planned",
                keys=size.keys,
                mb=size.memory_mb,
                planned_mb=round(self._planned_bytes / 1e6),
                do="give the host the memory and raise dataset.seen_set_max_mb, add members, or shorten the retention",
            )
        self._told = level
