"""From an address to an answer: the page that has it, its function, its template; whatever fails is a page, too."""

import base64
import hashlib
import importlib.resources
import threading
from collections.abc import Sequence
from typing import Any, Final

from headrace_consumers.ui.page import NothingThereError, Page, Shown, asked_of, matched
from headrace_consumers.ui.parts import FAULTS, trouble
from headrace_consumers.ui.render import Renderer
from headrace_consumers.ui.server import HTML, Answer
from headrace_consumers.ui.sources import Sources

__all__ = ["Site"]

_AT_ONCE: Final = 4
"""So many pages are made at the same time: each may read a table."""

_ASSETS: Final = {"/style.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml"}


class Site:
    """Answers requests.

    Args:
        sources: what pages read.
        pages: which there are.
    """

    def __init__(self, sources: Sources, pages: Sequence[Page]) -> None:
        self._sources = sources
        self._pages = pages
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        folder = importlib.resources.files("headrace_consumers.ui") / "assets"
        self._assets = {path: (folder / path[1:]).read_bytes() for path in _ASSETS}
        style = f"/style.css?{hashlib.sha256(self._assets['/style.css']).hexdigest()[:12]}"
        self._renderer = Renderer([(each.menu, each.pattern) for each in pages if each.menu], style)

    def answer(self, path: str, query: str) -> Answer:
        """Return the answer to a request; never raises."""
        if path in self._assets:
            return Answer(200, self._assets[path], _ASSETS[path], is_kept=True)
        found = matched(self._pages, path)
        if found is None:
            return self._problem(404, "", "there is no such page; the menu has all of them")
        page, names = found
        with self._places:
            try:
                shown = page.show(self._sources, asked_of(names, query))
                if not page.template:
                    return _whole(shown)
                return self._rendered(200, page.template, page.pattern, shown)
            except NothingThereError as error:
                return self._problem(404, page.pattern, str(error))
            except FAULTS as error:
                return self._problem(500, page.pattern, trouble(error))

    def _problem(self, code: int, pattern: str, line: str) -> Answer:
        title = "Not there" if code == 404 else "This cannot be shown"  # noqa: PLR2004  # HTTP's
        return self._rendered(code, "problem.html", pattern, {"title": title, "line": line})

    def _rendered(self, code: int, template: str, pattern: str, shown: Shown) -> Answer:
        told: dict[str, Any] = {"command": self._sources.command, **shown}
        text = self._renderer.render(template, pattern, told)
        # What was captured may hold halves of a surrogate pair, which no encoding has.
        return Answer(code, text.encode("utf-8", "replace"), HTML)


def _whole(shown: Shown) -> Answer:
    """Return a document that has its style in itself: that one style is allowed by its hash, and none beside it."""
    digest = base64.b64encode(hashlib.sha256(shown["style"].encode()).digest()).decode()
    return Answer(200, shown["document"].encode("utf-8", "replace"), HTML, style=f"'sha256-{digest}'")
