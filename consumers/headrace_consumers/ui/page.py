"""What a page is: an address, a function that finds out what to show, and a template. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlencode

from headrace.errors import HeadraceError

if TYPE_CHECKING:
    from headrace_consumers.ui.sources import Sources

__all__ = ["Asked", "NothingThereError", "Page", "Shown", "asked_of", "link", "matched"]

_LONGEST_VALUE = 2_000
_MOST_VALUES = 30
_LONGEST_NUMBER = 12


class NothingThereError(HeadraceError):
    """What an address names is not there; the line says what is, or what to do."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for.

    Attributes:
        names: what the address names, e.g. the signature.
        query: what stands behind the question mark, each name once; values are trimmed, and never empty.
    """

    names: Mapping[str, str]
    query: Mapping[str, str]

    def get(self, name: str, default: str = "") -> str:
        """Return a value of the query."""
        return self.query.get(name, default)

    def number(self, name: str) -> int:
        """Return a value of the query that is a whole number; else 0."""
        text = self.get(name)
        return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else 0


Shown: TypeAlias = Mapping[str, Any]
"""What the template is given; it has `title`. Without template: `document`, a whole page, and its only `style`."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        pattern: its address, e.g. ``/signatures/{signature}``.
        template: a file in templates/; empty: what `show` returns is a document of its own.
        show: finds out what to show. HeadraceError passes through, and is the page then.
        menu: its name in the menu; empty: it is not there.
    """

    pattern: str
    template: str
    show: "Callable[[Sources, Asked], Shown]" = field(repr=False)
    menu: str = ""


def matched(pages: Iterable[Page], path: str) -> tuple[Page, dict[str, str]] | None:
    """Return the page of a path and what the path names; None: there is none.

    Args:
        pages: the first that fits is taken.
        path: as the request has it, percent-encoded.
    """
    parts = path.split("/")
    for page in pages:
        wanted = page.pattern.split("/")
        if len(parts) != len(wanted):
            continue
        names = {}
        for part, want in zip(parts, wanted, strict=True):
            if want.startswith("{"):
                names[want[1:-1]] = unquote(part, errors="replace")
            elif part != want:
                break
        else:
            if all(names.values()):
                return page, names
    return None


def asked_of(names: Mapping[str, str], query: str) -> Asked:
    """Return what is asked; of a query's name that stands there twice the last counts, what is too long is cut."""
    try:
        pairs = parse_qsl(query, max_num_fields=_MOST_VALUES, errors="replace")
    except ValueError:
        pairs = []
    values = {name: value.strip()[:_LONGEST_VALUE] for name, value in pairs}
    return Asked(names, {name: value for name, value in values.items() if value})


def link(*parts: object, **query: object) -> str:
    """Return an address of ours.

    Args:
        parts: of the path; each is quoted, also its slashes.
        query: what is None or empty is left out.
    """
    path = "/" + "/".join(quote(str(part), safe="", errors="replace") for part in parts)
    told = urlencode(
        {name: value for name, value in query.items() if value not in (None, "")}, quote_via=quote, errors="replace"
    )
    return f"{path}?{told}" if told else path
