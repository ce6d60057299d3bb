"""Where records go. A sink is a thin edge: it does not count, redact or decide."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from headrace.delivery.outgoing import Outgoing

__all__ = ["Done", "Sink"]

Done: TypeAlias = Callable[[str | None], None]
"""Called once for each record: with None when it is safe, else with the reason why it is lost. From any thread."""


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

    def pending(self) -> int:
        """Return how many records were taken and are neither safe nor lost yet."""
        ...

    def close(self, timeout_s: float) -> None:
        """Wait for what is pending, at most so long; what is left then is lost for "exit". Release everything."""
        ...

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files and connections without touching what they lead to."""
        ...
