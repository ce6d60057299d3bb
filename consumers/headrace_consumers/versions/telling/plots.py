"""Plots as SVG inside a page: bars, drawn by shapes and text alone, in the page's own colours, light and dark.

Each value stands beside its bar as text: nothing has to be pointed at, and no colour has to be told from another.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

__all__ = ["bars", "histogram", "stacked"]

_WIDTH: Final = 640
_LABEL: Final = 180
_VALUE: Final = 120
_ROW: Final = 26
_BAR: Final = 16
_PLOT: Final = _WIDTH - _LABEL - _VALUE
_BINS_HEIGHT: Final = 120
_LONGEST_LABEL: Final = 21
_CUT: Final = "\u2026"


def bars(title: str, rows: Sequence[tuple[str, float, str]], *, mark: tuple[float, str] | None = None) -> str:
    """Return horizontal bars.

    Args:
        title: what is shown.
        rows: name, value, and what stands beside the bar.
        mark: a value at which a line is drawn, and what it means.
    """
    most = max([value for _, value, _ in rows] + ([mark[0]] if mark else []), default=0) or 1
    shapes = []
    for number, (name, value, text) in enumerate(rows):
        top = number * _ROW
        shapes += [_label(name, top), _rectangle(_LABEL, top, _PLOT * value / most, "c0"), _value(text, top)]
    height = len(rows) * _ROW
    if mark is not None:
        at = _LABEL + _PLOT * mark[0] / most
        shapes.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{height}" class="mark"/>')
        shapes.append(
            f'<text x="{at:.1f}" y="{height + 14}" class="note" text-anchor="middle">{escape(mark[1])}</text>'
        )
        height += 20
    return _svg(title, height, shapes)


def stacked(title: str, rows: Mapping[str, Mapping[str, int]], parts: Sequence[str]) -> str:
    """Return one bar of shares for each row, with a legend.

    Args:
        title: what is shown.
        rows: name -> part -> count.
        parts: the order of the parts; one that is nowhere is left out.
    """
    present = [part for part in parts if any(counts.get(part) for counts in rows.values())]
    shapes = []
    for number, (name, counts) in enumerate(rows.items()):
        top, left, total = number * _ROW, float(_LABEL), sum(counts.values())
        shapes += [_label(name, top), _value(f"{total:,}", top)]
        for part in present:
            width = _PLOT * counts.get(part, 0) / total if total else 0.0
            shapes.append(_rectangle(left, top, width, f"c{parts.index(part)}"))
            if width > 34:  # noqa: PLR2004  # there is room for "100%"
                share, middle = f"{counts.get(part, 0) / total:.0%}", f"{left + width / 2:.1f}"
                shapes.append(f'<text x="{middle}" y="{top + 17}" class="in" text-anchor="middle">{share}</text>')
            left += width
    top = len(rows) * _ROW + 4
    left = float(_LABEL)
    for part in present:
        shapes.append(f'<rect x="{left:.1f}" y="{top}" width="10" height="10" class="c{parts.index(part)}"/>')
        shapes.append(f'<text x="{left + 14:.1f}" y="{top + 9}" class="note">{escape(part)}</text>')
        left += 26 + 7 * len(part)
    return _svg(title, top + 14, shapes)


def histogram(title: str, edges: Sequence[str], counts: Sequence[int]) -> str:
    """Return upright bars, one for each bin.

    Args:
        title: what is shown.
        edges: what each bin begins at; one more than there are counts tells the end of the last.
        counts: of the bins.
    """
    most = max(counts, default=0) or 1
    step = (_WIDTH - 40) / max(1, len(counts))
    shapes = []
    for number, count in enumerate(counts):
        left, height = 20 + number * step, _BINS_HEIGHT * count / most
        top = 18 + _BINS_HEIGHT - height
        shapes.append(
            f'<rect x="{left + 1:.1f}" y="{top:.1f}" width="{step - 2:.1f}" height="{height:.1f}" class="c0"/>'
        )
        if count:
            shapes.append(
                f'<text x="{left + step / 2:.1f}" y="{top - 4:.1f}" class="note" text-anchor="middle">{count:,}</text>'
            )
    base = 18 + _BINS_HEIGHT
    shapes.append(f'<line x1="20" x2="{_WIDTH - 20}" y1="{base}" y2="{base}" class="axis"/>')
    for number, edge in enumerate(edges):
        at = 20 + number * step
        shapes.append(f'<text x="{at:.1f}" y="{base + 14}" class="note" text-anchor="middle">{escape(edge)}</text>')
    return _svg(title, base + 20, shapes)


def _svg(title: str, height: float, shapes: Sequence[str]) -> str:
    name = escape(title, quote=True)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        f'aria-label="{name}">{"".join(shapes)}</svg></figure>'
    )


def _rectangle(left: float, top: float, width: float, kind: str) -> str:
    return f'<rect x="{left:.1f}" y="{top + 5}" width="{max(0.0, width):.1f}" height="{_BAR}" class="{kind}"/>'


def _label(name: str, top: float) -> str:
    short = name
    while _length(short) > _LONGEST_LABEL:
        short = short.removesuffix(_CUT)[: 2 * _LONGEST_LABEL][:-1] + _CUT
    return f'<text x="{_LABEL - 8}" y="{top + 17}" text-anchor="end">{escape(short)}</text>'


def _length(text: str) -> float:
    """Return how long a text is in small letters; a capital is a third wider."""
    return len(text) + sum(character.isupper() for character in text) / 3


def _value(text: str, top: float) -> str:
    return f'<text x="{_WIDTH - _VALUE + 8}" y="{top + 17}" class="note">{escape(text)}</text>'
