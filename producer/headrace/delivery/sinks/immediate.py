"""What a sink needs not do where each record has its end when `send` returns."""

__all__ = ["Immediate"]


class Immediate:
    """A sink with which nothing is ever pending; `send`, `close` and `abandon` are its own."""

    def poll(self, timeout_s: float) -> None:
        """See `Sink.poll`. All was told in `send`."""

    def push(self, timeout_s: float) -> None:
        """See `Sink.push`."""
        self.poll(timeout_s)

    def pending(self) -> int:
        """See `Sink.pending`."""
        return 0

    def is_down(self) -> bool:
        """See `Sink.is_down`."""
        return False

    def take_back(self) -> None:
        """See `Sink.take_back`. Nothing waits here."""

    def settle(self, timeout_s: float) -> None:
        """See `Sink.settle`."""
