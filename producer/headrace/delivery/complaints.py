"""Warnings for the host's log: one line for each kind of trouble a minute, however often it happens."""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final

__all__ = ["Complaints"]

logger = logging.getLogger("headrace")

EVERY_S: Final = 60.0


class Complaints:
    """Logs trouble under the name "headrace".

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said_at: dict[str, float] = {}

    def warn(self, kind: str, message: str, *values: object, level: int = logging.WARNING) -> None:
        """Log a line unless its kind was logged within the last minute. Values must not hold payload."""
        now = self._clock()
        said_at = self._said_at.get(kind)
        if said_at is None or now - said_at >= EVERY_S:
            self._said_at[kind] = now
            with contextlib.suppress(Exception):  # the host's own filter or handler
                logger.log(level, message, *values)
