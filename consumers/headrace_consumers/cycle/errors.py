"""What can go wrong in a cycle.

CycleError            a step cannot be done; one line: what, where, what to do
  RunBusyError        another process works on the run
"""

from headrace.errors import HeadraceError

__all__ = ["CycleError", "RunBusyError"]


class CycleError(HeadraceError):
    """A step cannot be done; what was done before it stays, and the same command goes on from there."""


class RunBusyError(CycleError):
    """Another process works on the run."""
