"""What leaves the process: a finished record of one of the kinds that have a topic each."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from headrace_schemas import Feedback, Interaction, Statistics

__all__ = ["Kind", "Outgoing"]

Kind: TypeAlias = Literal["interaction", "feedback", "statistics"]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A finished record on its way.

    Attributes:
        kind: decides topic, schema and key.
        record: the record; no one changes it any more.
    """

    kind: Kind
    record: Interaction | Feedback | Statistics

    @property
    def id(self) -> str:
        """What tells this record from all others, and is the same when it is sent again."""
        record: Any = self.record
        if self.kind == "interaction":
            return str(record["event_id"])
        if self.kind == "feedback":
            return str(record["feedback_id"])
        return f"{record['instance']}#{record['sequence']}"
