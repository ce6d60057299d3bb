"""HEADRACE_DISABLED=1: nothing is captured, counted, started or opened, whatever the configuration says.

For the moment in which somebody suspects Headrace: a variable and a restart, no release. The configuration is not even
read, so that the switch also works where that is what is broken.
"""

import os
from collections.abc import Callable, Mapping
from typing import Final

from headrace.captured import Captured
from headrace.counters import Counters
from headrace.ledger import Stats

__all__ = ["ENV_DISABLED", "NoDelivery", "is_thrown"]

ENV_DISABLED: Final = "HEADRACE_DISABLED"
_NOT_THROWN: Final = frozenset({"", "0", "false", "no", "off", "n", "f"})


def is_thrown(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the switch is thrown. Whoever sets it means it: any value but a word for no does."""
    return environ.get(ENV_DISABLED, "").strip().lower() not in _NOT_THROWN


class NoDelivery:
    """Takes nothing, holds nothing, starts nothing; stands where a pipeline would."""

    def __init__(self) -> None:
        self.counters: Counters = Counters()

    def submit(self, captured: Captured) -> bool:
        """Leave it."""
        del captured
        return False

    def count_failure(self, reason: str) -> None:
        """Leave it uncounted."""

    def count_program_failure(self, reason: str) -> None:
        """Leave it uncounted."""

    def flush(self, timeout_s: float) -> bool:
        """There is nothing to wait for."""
        del timeout_s
        return True

    def close(self, timeout_s: float, successor: Callable[[Captured], bool] | None = None) -> bool:
        """There is nothing to close."""
        del timeout_s, successor
        return True

    def stats(self) -> Stats:
        """Return zeros."""
        return Stats()
