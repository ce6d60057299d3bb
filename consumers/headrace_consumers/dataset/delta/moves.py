"""How a batch moves Kafka's partitions on in the table: a transaction for each, whose version is the next offset."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Move", "app_id", "are_at_start", "are_at_target", "fenced_line"]


def app_id(topic_id: str, partition: int) -> str:
    """Return the transaction id of a partition. No consumer group in it: one table is one logical consumer."""
    return f"{topic_id}/{partition}"


@dataclass(frozen=True, slots=True)
class Move:
    """How a batch moves a partition on.

    Attributes:
        app_id: ``<topic id>/<partition>``.
        start: the txn that the batch was read from; None when the table had none.
        target: the next offset to read.
    """

    app_id: str
    start: int | None
    target: int


def are_at_start(moves: Sequence[Move], position: Callable[[str], int | None]) -> bool:
    """Tell whether each partition stands where the batch was read from, given the table's position of an app id."""
    return all(position(move.app_id) == move.start for move in moves)


def are_at_target(moves: Sequence[Move], position: Callable[[str], int | None]) -> bool:
    """Tell whether each partition stands where the batch moves it."""
    return all(position(move.app_id) == move.target for move in moves)


def fenced_line(moves: Sequence[Move], position: Callable[[str], int | None]) -> str:
    """Return which partitions another consumer has moved, in a line."""
    found = {move.app_id: position(move.app_id) for move in moves}
    moved = [f"{m.app_id} at {found[m.app_id]}, read from {m.start}" for m in moves if found[m.app_id] != m.start]
    return f"another consumer moved on: {'; '.join(moved)}"
