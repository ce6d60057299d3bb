"""All signatures: how many rows, since when, how good, which versions, whether the latest has passed its gates."""

import datetime as dt
from typing import Any, Final

from headrace_consumers.ui.charts import sparkline
from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.parts import Part, part
from headrace_consumers.ui.reading.growth import growth
from headrace_consumers.ui.reading.shelves import Book, latest_facts, signatures_with_versions
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE"]

_SHOWN: Final = 50


def show(sources: Sources, asked: Asked) -> Shown:
    """Return the signatures of the table and of the versions, those with most rows first."""
    table = part(lambda: growth(sources))
    shelves = part(lambda: signatures_with_versions(sources.root))
    of_table = table.value.signatures if table.value is not None else {}
    of_shelves = shelves.value or {}
    every = sorted({*of_table, *of_shelves}, key=lambda name: (-(of_table[name].rows if name in of_table else 0), name))
    text = asked.get("q").casefold()
    chosen = [name for name in every if text in name.casefold()]
    first = asked.number("first")
    today = dt.datetime.now(dt.UTC).date()

    def line(name: str) -> dict[str, Any]:
        rows = of_table.get(name)
        latest: Part[Book | None] = part(lambda: latest_facts(sources.root, name)) if name in of_shelves else Part(None)
        return {
            "name": name,
            "rows": rows,
            "spark": "" if rows is None else sparkline(rows.days, today),
            "versions": of_shelves.get(name, []),
            "latest": latest,
        }

    return {
        "title": "Signatures",
        "q": asked.get("q"),
        "table": table,
        "shelves": shelves,
        "lines": [line(name) for name in chosen[first : first + _SHOWN]],
        "every": len(every),
        "chosen": len(chosen),
        "first": first,
        "next": first + _SHOWN if len(chosen) > first + _SHOWN else None,
        "previous": max(0, first - _SHOWN) if first else None,
        "table_path": sources.config.dataset.path,
    }


PAGE: Final = Page("/", "overview.html", show, menu="Signatures")
