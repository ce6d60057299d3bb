"""How a table stands, as the member that maintains it tells."""

from dataclasses import dataclass

__all__ = ["TableHealth"]


@dataclass(frozen=True, slots=True)
class TableHealth:
    """One table, when maintenance looked at it last.

    Attributes:
        active_files: that it names.
        unmergeable_files: of them, those that could not be read, and are left as they are.
        files_merged: since this member maintains it.
        failing_since: when maintenance began to fail, seconds, monotonic; None: it does not.
    """

    active_files: int
    unmergeable_files: int = 0
    files_merged: int = 0
    failing_since: float | None = None
