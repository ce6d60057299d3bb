"""The runbook as a page that Prometheus itself serves at /consoles/, so that an alert's link opens wherever it fires.

docs/operations.md --markdown-it--> HTML; its headings have the anchors of the alerts' links

It comes with the package, so it is the runbook of these very rules, and nobody needs the internet to read it.
"""

import re
from pathlib import Path
from typing import Any, Final

from headrace.errors import HeadraceError

__all__ = ["RunbookError", "heading_anchor", "runbook_link", "runbook_page"]

_PLACES: Final = (
    Path(__file__).with_name("operations.md"),  # of a wheel
    Path(__file__).parents[4] / "docs" / "operations.md",  # of a checkout
)
_STYLE: Final = (
    "body{max-width:60rem;margin:2rem auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;color:#222}"
    "code{background:#f2f2f2;padding:.1em .3em}pre{background:#f2f2f2;padding:.8em;overflow-x:auto}pre code{padding:0}"
    "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3em .6em;vertical-align:top;text-align:left}"
    ":target{background:#fff3bf}"
)


class RunbookError(HeadraceError):
    """The runbook is not where the package should have it."""


def runbook_link(page: Path) -> str:
    """Return where Prometheus serves the page, as a template of an annotation.

    Args:
        page: a file in the folder of its `--web.console.templates`.
    """
    return "{{ $externalURL }}/consoles/" + page.name


def runbook_page() -> str:
    """Return the runbook as HTML.

    Raises:
        RunbookError: the package has none.
    """
    return page_of(_text())


def page_of(markdown: str) -> str:
    """Return a page of Markdown as HTML that Prometheus' console templates leave as it is.

    Args:
        markdown: with GitHub's tables. Links to other files are only their text: those files are not served.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", heading_anchor(tokens[number + 1].content))
        elif token.children:
            token.children = _without_other_files(token.children)
    body = parser.renderer.render(tokens, parser.options, {})
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Headrace: operations</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}</body></html>\n"
    )
    return page.replace("{{", '{{"{{"}}')


def heading_anchor(heading: str) -> str:
    """Return a heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _without_other_files(tokens: list[Any]) -> list[Any]:
    kept, is_out = [], False
    for token in tokens:
        if token.type == "link_open":
            is_out = not str(token.attrGet("href")).startswith(("#", "https://", "http://"))
        if not (is_out and token.type in {"link_open", "link_close"}):
            kept.append(token)
    return kept


def _text() -> str:
    for place in _PLACES:
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise RunbookError("the runbook, docs/operations.md, is not in this installation; install headrace anew")
