"""Where records go. A sink is a thin edge: it does not count, redact or decide."""

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

from headrace.delivery.outgoing import Outgoing

__all__ = ["TAKEN_BACK", "Done", "Returned", "Sink"]

TAKEN_BACK: Final = "taken_back"
"""The reason that `done` is told for what `Sink.take_back` gives back."""

Returned: TypeAlias = Callable[[], Outgoing | None]
"""Gives a record back, made again from what the client held; None where that fails."""


class Done(Protocol):
    """Called once for each record, by the thread that uses the sink."""

    def __call__(self, lost_for: str | None, returned: Returned | None = None, /) -> None:
        """Tell what became of the record.

        Args:
            lost_for: None when it is safe; else why it is not.
            returned: given where the record itself is not to blame: it may be kept and sent later.
        """
        ...


class Sink(Protocol):
    """Takes records; used by one thread only, which also opens what it needs, with the first record."""

    def send(self, outgoing: Outgoing, done: Done) -> bool:
        """Take a record; False where there is no room for it: then nothing was done, so poll and offer it again.

        Never waits. A record that cannot be delivered is taken, and `done` gets the reason.
        """
        ...

    def poll(self, timeout_s: float) -> None:
        """Let acknowledgements be told; wait for the first of them, at most so long."""
        ...

    def push(self, timeout_s: float) -> None:
        """Send at once what was taken, rather than wait for more to go with it; wait for it, at most so long."""
        ...

    def pending(self) -> int:
        """Return how many records were taken and are neither safe nor lost yet."""
        ...

    def is_down(self) -> bool:
        """Tell whether it is known that nothing gets through now."""
        ...

    def take_back(self) -> None:
        """Give back what was taken and not sent yet, by the `poll`s that follow."""
        ...

    def settle(self, timeout_s: float) -> None:
        """Wait for what is pending, at most so long; give back what is left then."""
        ...

    def close(self, timeout_s: float) -> None:
        """Wait for what is pending, at most so long; what is left then is lost for "exit". Release everything."""
        ...

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files and connections without touching what they lead to."""
        ...
