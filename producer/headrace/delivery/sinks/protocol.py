"""Where records go. A sink is a thin edge: it does not count, redact or decide."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from headrace_schemas import Interaction

__all__ = ["Done", "Sink"]

Done: TypeAlias = Callable[[str | None], None]
"""Called once for each record: with None when it is safe, else with the reason why it is lost. From any thread."""


class Sink(Protocol):
    """Takes records; used by one thread at a time, and opened by it: never before a fork."""

    def send(self, record: Interaction, done: Done) -> None:
        """Take a record; may wait while the sink is full. Raises nothing: a failure is a reason given to `done`."""
        ...

    def poll(self) -> None:
        """Let acknowledgements be told, without waiting; flush what is buffered."""
        ...

    def flush(self, timeout_s: float) -> None:
        """Wait until all that was sent is safe or lost, at most so long."""
        ...

    def close(self) -> None:
        """Release files and connections, without waiting."""
        ...
