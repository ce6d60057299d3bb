"""A consumer whose breaker has opened says so to Prometheus before it ends, or the alert could only guess."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from headrace_consumers.dataset.errors import CircuitOpenError
from headrace_consumers.dataset.figures import Figures

__all__ = ["telling_of_the_breaker"]

_STEP_S: Final = 0.2
_SENDING_S: Final = 0.5
"""For the page to reach whoever asked; it is a few kilobytes."""

log = structlog.get_logger("headrace.dataset")


@contextmanager
def telling_of_the_breaker(figures: Figures, wait: Callable[[float], bool], at_most_s: float) -> Iterator[None]:
    """Let CircuitOpenError through only once a scrape has been told.

    Args:
        figures: what a scrape is told.
        wait: waits for so many seconds; true as soon as the consumer is told to stop.
        at_most_s: how long nobody may have asked, seconds; 0: it goes through at once.
    """
    try:
        yield
    except CircuitOpenError as error:
        figures.note_circuit_open()
        if at_most_s > 0:
            log.error("stopping", reason=str(error))  # noqa: TRY400  # one line says it all
        waited_s = 0.0
        while waited_s < at_most_s and not figures.circuit_was_shown:
            if wait(_STEP_S):
                raise
            waited_s += _STEP_S
        if figures.circuit_was_shown:
            wait(_SENDING_S)
        raise
