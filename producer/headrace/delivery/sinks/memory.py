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

    def send(self, record: Interaction, done: Done) -> None:
        """See `Sink.send`."""
        if self.fail_with is None:
            self.records.append(record)
        done(self.fail_with)

    def poll(self) -> None:
        """See `Sink.poll`."""

    def flush(self, timeout_s: float) -> None:
        """See `Sink.flush`."""

    def close(self) -> None:
        """See `Sink.close`."""
