"""What became of one record, by an id of it: `headrace dataset trace` as a page."""

from typing import Final

from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.fates import LAST, track_of
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE"]

_SHOWN: Final = 50


def show(sources: Sources, asked: Asked) -> Shown:
    """Return the records that an id names."""
    id_ = asked.get("id")
    found = part(lambda: track_of(sources, id_)) if id_ else None
    return {"title": "Find a record", "id": id_, "found": found, "last": LAST, "shown": _SHOWN}


PAGE: Final = Page("/trace", "trace.html", show, menu="Find a record")
