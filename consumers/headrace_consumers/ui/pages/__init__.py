"""The pages: one file each, with a function `show`, a `PAGE`, and a template of its name in templates/.

A new page: its file here, its template there, its `PAGE` in this list. Those with `menu` stand in the menu, in order.
"""

from typing import Final

from headrace_consumers.ui.page import Page
from headrace_consumers.ui.pages import (
    cycle,
    cycle_report,
    cycle_run,
    dead_letter,
    dead_letters,
    diff,
    example,
    examples,
    ledger,
    overview,
    rollout,
    rollouts,
    row,
    rows,
    set_aside,
    signature,
    trace,
    version,
    why,
)

__all__ = ["PAGES"]

PAGES: Final[tuple[Page, ...]] = (
    overview.PAGE,
    signature.PAGE,
    rows.PAGE,
    row.PAGE,
    why.PAGE,
    version.PAGE,
    examples.PAGE,
    example.PAGE,
    set_aside.PAGE,
    diff.PAGE,
    rollouts.PAGE,
    rollout.PAGE,
    cycle.PAGE,
    cycle_run.PAGE,
    cycle_report.PAGE,
    ledger.PAGE,
    dead_letters.PAGE,
    dead_letter.PAGE,
    trace.PAGE,
)
