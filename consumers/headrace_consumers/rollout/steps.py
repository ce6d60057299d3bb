"""The named steps of a decision, in their order; killed at any, nothing is lost and nothing is decided twice."""

from enum import StrEnum

__all__ = ["Step"]


class Step(StrEnum):
    """What the controller goes through."""

    TAKE_OVER = "take-over"
    BEAT = "beat"
    """The state alone is written."""
    WRITE = "write"
    """State, log and order of a decision are sent."""
    COMMIT = "commit"
