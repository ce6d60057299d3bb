"""What the gates of a version took out, and why."""

from typing import Final

from headrace_consumers.ui.page import Asked, Page, Shown
from headrace_consumers.ui.parts import part
from headrace_consumers.ui.reading.examples import PAGE_EXAMPLES, aside
from headrace_consumers.ui.reading.shelves import version_named
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE"]


def show(sources: Sources, asked: Asked) -> Shown:
    """Return a page of what was set aside.

    Raises:
        NothingThereError: there is no such version.
        HeadraceError: the folder cannot be read.
    """
    signature = asked.names["signature"]
    version = version_named(sources, signature, asked.names["version"])
    gate, first = asked.get("gate"), asked.number("first")
    return {
        "title": f"Set aside from {signature} {version.name}",
        "signature": signature,
        "version": version.name,
        "gate": gate,
        "first": first,
        "step": PAGE_EXAMPLES,
        "page": part(lambda: aside(version, gate, first)),
    }


PAGE: Final = Page("/signatures/{signature}/versions/{version}/set-aside", "set_aside.html", show)
