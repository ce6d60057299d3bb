"""A message of either topic, as the counting sees it."""

from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Place", "Position", "Reading"]

Place: TypeAlias = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far something is done with.

    Attributes:
        offset: the next that is not.
        appended_ms: when the record before it was written to Kafka, Unix time.
    """

    offset: int
    appended_ms: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A message.

    Attributes:
        place: its partition.
        offset: its offset.
        value: its bytes.
        appended_ms: when it was written to Kafka, Unix time.
    """

    place: Place
    offset: int
    value: bytes | None
    appended_ms: int

    @property
    def after(self) -> Position:
        """The position behind it."""
        return Position(self.offset + 1, self.appended_ms)

    def where(self) -> dict[str, Any]:
        """Return where it is, for a log line."""
        return {"topic": self.place[0], "partition": self.place[1], "offset": self.offset}
