"""A line of the lower half: what it is about, what it says, and whether that is bad."""

from dataclasses import dataclass

__all__ = ["Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """A line.

    Attributes:
        what: what it is about.
        says: in plain words.
        is_bad: beyond a threshold of the configuration, or wrong in itself.
    """

    what: str
    says: str
    is_bad: bool = False
