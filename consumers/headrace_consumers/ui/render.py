"""Templates to HTML. Whatever is put into one is escaped, unless it is a plot of ours, which has escaped its texts."""

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from headrace_consumers.ui.page import link

__all__ = ["Renderer"]

_LONGEST_TEXT: Final = 20_000
_SHORT: Final = 160
_KB: Final = 1000
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
"""What would change how the text around it is read, or cannot be shown: controls, directions, halves of a character."""


class Renderer:
    """Renders templates.

    Args:
        menu: name and address of each entry.
        style: address of the style sheet.
    """

    def __init__(self, menu: Sequence[tuple[str, str]], style: str) -> None:
        self._environment = Environment(
            loader=PackageLoader("headrace_consumers.ui"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(link=link, menu=menu, style=style, version=metadata.version("headrace"))
        self._environment.filters.update(
            count=count,
            figure=figure,
            moment=moment,
            share=share,
            size=size,
            short=short,
            long=long,
            text_of=text_of,
            plot=Markup,
        )

    def render(self, template: str, here: str, values: Mapping[str, Any]) -> str:
        """Return the HTML of a page.

        Args:
            template: its file.
            here: the pattern of the page, for the menu.
            values: what the template is given.
        """
        return self._environment.get_template(template).render(here=here, **values)


def count(number: float | None) -> str:
    """Return a count with thousands marked; nothing for None."""
    return "" if number is None else f"{number:,}"


def figure(number: float | None) -> str:
    """Return a number to four digits, a large one to the whole; a dash for None."""
    if number is None:
        return "\u2013"
    is_small = isinstance(number, float) and abs(number) < _KB
    return f"{number:.4g}" if is_small else f"{number:,.0f}"


def share(number: float | None) -> str:
    """Return a share as a percentage; a dash for None."""
    return "\u2013" if number is None else f"{number:.1%}"


def size(number: float | None) -> str:
    """Return bytes in the unit that suits them."""
    if number is None:
        return ""
    for unit in ("B", "kB", "MB"):
        if number < _KB:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KB
    return f"{number:,.1f} GB"


def moment(when: Any) -> str:
    """Return a time in UTC to the second: of a datetime, a date, or Unix time in milliseconds; nothing for None."""
    if when is None or when == "":
        return ""
    if isinstance(when, int | float):
        try:
            when = dt.datetime.fromtimestamp(when / 1000, dt.UTC)
        except (OverflowError, ValueError, OSError):
            return f"{when:g} ms"
    if isinstance(when, dt.datetime):
        return when.strftime("%Y-%m-%d %H:%M:%S")
    return str(when)


def short(value: Any, longest: int = _SHORT) -> str:
    """Return a value in one line."""
    line = _seen(" ".join(text_of(value)[: 4 * longest].split()))
    return line if len(line) <= longest else f"{line[: longest - 1]}\u2026"


def long(value: Any) -> str:
    """Return a value as text, lines kept; of a very long one the beginning, and how much more there is."""
    text = text_of(value)
    shown = _seen(text[:_LONGEST_TEXT].replace("\r\n", "\n"))
    more = len(text) - _LONGEST_TEXT
    return f"{shown}\n\u2026 {more:,} more characters" if more > 0 else shown


def _seen(text: str) -> str:
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def text_of(value: Any) -> str:
    """Return a value of JSON for people: a text as it is, else as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=1 if isinstance(value, dict | list) else None, default=str)
