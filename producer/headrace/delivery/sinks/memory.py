"""Records in a list, for tests."""

from headrace.delivery.sinks.protocol import Done
from headrace_schemas import Interaction

__all__ = ["MemorySink"]


class MemorySink:
    """Keeps what it is sent.

    Attributes:
        records: what was delivered, in order.
        fail_with: while this is a reason, records are lost for it instead.
    """

    def __init__(self) -> None:
        self.records: list[Interaction] = []
        self.fail_with: str | None = None

    def send(self, record: Interaction, done: Done) -> bool:
        """See `Sink.send`."""
        if self.fail_with is None:
            self.records.append(record)
        done(self.fail_with)
        return True

    def poll(self, timeout_s: float) -> None:
        """See `Sink.poll`."""

    def pending(self) -> int:
        """See `Sink.pending`."""
        return 0

    def close(self, timeout_s: float) -> None:
        """See `Sink.close`."""

    def abandon(self) -> None:
        """See `Sink.abandon`. The parent's records are the parent's."""
        self.records = []
