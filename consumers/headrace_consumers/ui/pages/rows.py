"""The rows of a signature: the newest first, of a day, or those that hold a text."""

import datetime as dt
from typing import Final

from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.growth import is_there
from headrace_consumers.ui.reading.rows import Cursor, newest
from headrace_consumers.ui.reading.search import search
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE"]


def show(sources: Sources, asked: Asked) -> Shown:
    """Return a page of rows."""
    name, text, day = asked.names["signature"], asked.get("q"), _day(asked.get("day"))
    before = Cursor.of(asked.get("before"))
    there = is_there(sources.config)
    page = part(lambda: newest(sources, name, before=before, day=day)) if there and not text else None
    found = part(lambda: search(sources, name, text, day=day)) if there and text else None
    return {
        "title": f"Rows of {name}",
        "signature": name,
        "q": text,
        "day": "" if day is None else day.isoformat(),
        "is_there": there,
        "is_first": before is None,
        "page": page,
        "found": found,
    }


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


PAGE: Final = Page("/signatures/{signature}/rows", "rows.html", show)
