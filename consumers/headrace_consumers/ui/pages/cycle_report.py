"""A run's report as it is mailed around: a document of its own, made anew of what the run left."""

from typing import Final

from headrace_consumers.cycle.report import report
from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.reading.cycles import run_of
from headrace_consumers.ui.sources import Sources
from headrace_consumers.versions.telling.report_style import STYLE

__all__ = ["PAGE"]


def show(sources: Sources, asked: Asked) -> Shown:
    """Return the report.

    Raises:
        NothingThereError: there is no such run.
        HeadraceError: it cannot be read.
    """
    return {"document": report(run_of(sources, asked.names["run"])), "style": STYLE}


PAGE: Final = Page("/cycle/{run}/report", "", show)
