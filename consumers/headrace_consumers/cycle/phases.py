"""A part of a worker's work: done in a thread of its own, so that whichever thread ends it first can."""

import threading
from collections.abc import Callable
from typing import Any, Final

from headrace_consumers.cycle.ending import End, Ending
from headrace_consumers.cycle.errors import CycleError

__all__ = ["BUDGETS", "phase", "result_of"]

BUDGETS: Final = {"lm_calls": "optimization.max_lm_calls", "cost": "optimization.max_cost_usd"}
"""What of the budget was spent -> the setting that bounds it."""


def phase(work: Callable[[Ending], Any]) -> End:
    """Do a part of the work in a thread; return how it ended, by itself or by a thread inside it."""
    ending = Ending()

    def run() -> None:
        try:
            ending.finished(work(ending))
        except BaseException as error:  # the main thread raises it
            ending.raised(error)

    threading.Thread(target=run, daemon=True).start()
    return ending.wait()


def result_of(end: End) -> Any:
    """Return what came of a part of the work.

    Raises:
        CycleError: it failed, in one line.
    """
    if end.error is not None:
        raise end.error
    if end.failure is not None:
        raise CycleError(end.failure)
    return end.result
