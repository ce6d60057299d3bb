"""A message of either topic, as the counting sees it."""

from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Place", "Reading"]

Place: TypeAlias = tuple[str, int]
"""Topic and partition."""


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

    def where(self) -> dict[str, Any]:
        """Return where it is, for a log line."""
        return {"topic": self.place[0], "partition": self.place[1], "offset": self.offset}
