"""What counts as a failure beyond exceptions: a module's own predicate on what it returned."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from headrace.interruption import pass_on

if TYPE_CHECKING:
    from headrace.capture.marks import Mark

__all__ = ["Unsuccessful", "judged"]

logger = logging.getLogger("headrace")


class Unsuccessful(Exception):  # noqa: N818  # its name is the error_type of such records
    """Stands for the exception that an unsuccessful call did not raise; never raised itself."""


def judged(mark: Mark, output: Any) -> Unsuccessful | None:
    """Return what failed a call that returned, None for a success. Never raises.

    A predicate that raises has judged nothing: the call counts as it would without it, and the log says so once.
    """
    if mark.success is None:
        return None
    try:
        return None if mark.success(output) else Unsuccessful()
    except Exception as error:
        pass_on(error)
        if not mark.predicate_has_failed:
            mark.predicate_has_failed = True
            _tell(mark.name, type(error).__name__)
        return None


def _tell(name: str, error_type: str) -> None:
    try:
        logger.warning(
            "headrace: the success predicate of %r raised %s; such calls count as successes", name, error_type
        )
    except Exception as failure:  # of the host's own logging
        pass_on(failure)
