"""Records in a list, for tests."""

from typing import TYPE_CHECKING, Any

from headrace.delivery.outgoing import Kind, Outgoing
from headrace.delivery.sinks.immediate import Immediate
from headrace.delivery.sinks.protocol import Done

if TYPE_CHECKING:
    from headrace_schemas import Feedback, Interaction, Statistics

__all__ = ["MemorySink"]


class MemorySink(Immediate):
    """Keeps what it is sent.

    Attributes:
        records: the interactions that were delivered, in order.
        feedback: likewise.
        statistics: likewise.
        fail_with: while this is a reason, records are lost for it instead.
    """

    def __init__(self) -> None:
        self.records: list[Interaction] = []
        self.feedback: list[Feedback] = []
        self.statistics: list[Statistics] = []
        self.fail_with: str | None = None

    def send(self, outgoing: Outgoing, done: Done) -> bool:
        """See `Sink.send`."""
        if self.fail_with is None:
            record: Any = outgoing.record
            lists: dict[Kind, list[Any]] = {
                "interaction": self.records,
                "feedback": self.feedback,
                "statistics": self.statistics,
            }
            lists[outgoing.kind].append(record)
        done(self.fail_with)
        return True

    def close(self, timeout_s: float) -> None:
        """See `Sink.close`."""

    def abandon(self) -> None:
        """See `Sink.abandon`. The parent's records are the parent's."""
        self.records, self.feedback, self.statistics = [], [], []
