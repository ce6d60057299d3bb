"""One row of the table: input, output, what was said of it, and everything else that its record told."""

from typing import Any, Final

from headrace_consumers.cli.beside_rows import FEEDBACK, SEEN
from headrace_consumers.ui.page import Asked, NothingThereError, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.growth import is_there
from headrace_consumers.ui.reading.rows import row_of_key
from headrace_consumers.ui.reading.shelves import latest_facts
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE"]

_ELSEWHERE: Final = frozenset({"input", "output", SEEN, FEEDBACK})


def show(sources: Sources, asked: Asked) -> Shown:
    """Return a row.

    Raises:
        TableReadError: the table cannot be read.
        NothingThereError: no row has that key.
    """
    if not is_there(sources.config):
        raise NothingThereError("there is no table yet; headrace consume dataset makes it")
    row: dict[str, Any] = row_of_key(sources, asked.names["key"])
    signature = str(row["signature"])
    latest = part(lambda: latest_facts(sources.root, signature))
    return {
        "title": f"A row of {signature}",
        "signature": signature,
        "row": row,
        "seen": row.get(SEEN),
        "feedback": row.get(FEEDBACK, []),
        "facts": {name: value for name, value in row.items() if name not in _ELSEWHERE and value is not None},
        "latest": latest.value.name if latest.value is not None else "",
    }


PAGE: Final = Page("/rows/{key}", "row.html", show)
