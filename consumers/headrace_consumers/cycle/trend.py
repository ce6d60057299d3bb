"""The trials of an optimizer as a plot: a dot an evaluation, a line for the best so far."""

from collections.abc import Sequence
from html import escape
from typing import Final

__all__ = ["interval", "trend"]

_WIDTH: Final = 640
_HEIGHT: Final = 170
_LEFT: Final = 46
_RIGHT: Final = 12
_TOP: Final = 10
_BASE: Final = 140


def trend(title: str, scores: Sequence[tuple[float, bool]]) -> str:
    """Return the plot.

    Args:
        title: what is shown.
        scores: of each evaluation, in their order, and whether it was a full one: these make the line.
    """
    values = [score for score, _ in scores]
    low, high = min(values), max(values)
    if high == low:
        low, high = low - 1, high + 1
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(scores) - 1)

    def at(number: int, score: float) -> tuple[float, float]:
        return _LEFT + number * step, _BASE - (_BASE - _TOP) * (score - low) / (high - low)

    shapes = [
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{_BASE}" y2="{_BASE}" class="axis"/>',
        *(
            f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" class="note" text-anchor="end">{value:.1f}</text>'
            for value, y in ((low, _BASE), (high, _TOP))
        ),
    ]
    best: list[str] = []
    most: float | None = None
    for number, (score, is_full) in enumerate(scores):
        x, y = at(number, score)
        shapes.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{4 if is_full else 2.5}" class="{"c0" if is_full else "c4"}"/>'
        )
        if is_full:
            before = most
            most = score if most is None else max(most, score)
            if before is not None:
                best.append(f"{x:.1f},{at(number, before)[1]:.1f}")
            best.append(f"{x:.1f},{at(number, most)[1]:.1f}")
    shapes.append(f'<polyline points="{" ".join(best)}" fill="none" stroke="currentColor" stroke-opacity=".5"/>')
    shapes.append(
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}" class="note">large: on the whole of val; small: on some of it; '
        "line: the best so far</text>"
    )
    return _svg(title, _HEIGHT, shapes)


def interval(title: str, *, low: float, high: float, at: float, wanted: float) -> str:
    """Return an interval beside zero and what was asked for.

    Args:
        title: what is shown.
        low: where it begins.
        high: where it ends.
        at: what was found.
        wanted: what was asked for.
    """
    first, last = min(low, 0.0, wanted), max(high, 0.0, wanted)
    room = (last - first) * 0.12 or 1.0
    first, last = first - room, last + room

    def x(value: float) -> float:
        return 20 + (_WIDTH - 40) * (value - first) / (last - first)

    marks = [(0.0, "0", 92, "axis"), (wanted, f"asked for: {wanted:+.3f}", 110, "mark")]
    shapes = [
        f'<rect x="{x(low):.1f}" y="34" width="{max(1.0, x(high) - x(low)):.1f}" height="12" class="c0"/>',
        f'<circle cx="{x(at):.1f}" cy="40" r="6" class="c1"/>',
        f'<text x="{x(at):.1f}" y="22" text-anchor="middle">{at:+.3f} ({low:+.3f} to {high:+.3f})</text>',
    ]
    for value, text, y, kind in marks:
        shapes.append(f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="28" y2="{y - 14}" class="{kind}"/>')
        shapes.append(f'<text x="{x(value):.1f}" y="{y}" class="note" text-anchor="middle">{escape(text)}</text>')
    return _svg(title, 118, shapes)


def _svg(title: str, height: int, shapes: Sequence[str]) -> str:
    name = escape(title, quote=True)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{name}">{"".join(shapes)}</svg></figure>'
    )
