"""Rows over time as SVG: columns of what came, a line of what there is then. Beside versions/plots.py, in its style."""

import datetime as dt
from collections.abc import Sequence
from html import escape
from typing import Final

__all__ = ["growth_plot", "sparkline"]

_WIDTH: Final = 1000
_HEIGHT: Final = 200
_LEFT: Final = 10
_RIGHT: Final = 80
_TOP: Final = 14
_MOST_COLUMNS: Final = 60
_SPARK: Final = (120, 24)
_SPARK_DAYS: Final = 30

Days = Sequence[tuple[dt.date, int]]


def growth_plot(days: Days, what: str = "rows") -> str:
    """Return the plot of what came; empty where nothing did.

    Args:
        days: (day, how many came then), the oldest first; days without any may be left out.
        what: came.
    """
    if not days:
        return ""
    columns = _columns(days, _MOST_COLUMNS)
    total, most = sum(rows for _, _, rows in columns), max(rows for _, _, rows in columns)
    step = (_WIDTH - _LEFT - _RIGHT) / len(columns)
    width = max(1.0, min(step - 2, 60.0))
    shapes, points, so_far = [], [], 0
    for number, (first, last, rows) in enumerate(columns):
        left, height = _LEFT + number * step + (step - width) / 2, _HEIGHT * rows / most
        so_far += rows
        when = f"{first}" if first == last else f"{first} to {last}"
        shapes.append(
            f'<rect x="{left:.1f}" y="{_TOP + _HEIGHT - height:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'class="c0"><title>{when}: {rows:,} {what}, {so_far:,} since the first</title></rect>'
        )
        points.append(f"{left + width / 2:.1f},{_TOP + _HEIGHT - _HEIGHT * so_far / total:.1f}")
    base = _TOP + _HEIGHT
    end = _WIDTH - _RIGHT
    shapes += [
        f'<polyline points="{" ".join(points)}" class="line"/>',
        f'<circle cx="{points[-1].split(",")[0]}" cy="{_TOP}" r="3.5" class="dot"/>',
        f'<line x1="{_LEFT}" x2="{end}" y1="{base}" y2="{base}" class="axis"/>',
        f'<text x="{end + 6}" y="{_TOP + 5}">{total:,}</text>',
        f'<text x="{_LEFT}" y="{base + 18}" class="note">{columns[0][0]}</text>',
    ]
    if len(columns) > 1:
        shapes.append(f'<text x="{end}" y="{base + 18}" class="note" text-anchor="end">{columns[-1][1]}</text>')
    days_each = (columns[0][1] - columns[0][0]).days + 1
    each = "a day" if days_each == 1 else f"{days_each} days"
    title = f"{total:,} {what}; a column is {each}, the highest has {most:,}; the line adds them up"
    return (
        f'<figure class="growth"><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {_WIDTH} {base + 24}" '
        f'role="img" aria-label="{escape(title, quote=True)}">{"".join(shapes)}</svg></figure>'
    )


def sparkline(days: Days, today: dt.date) -> str:
    """Return the rows of the last 30 days as a line of small columns."""
    width, height = _SPARK
    since = today - dt.timedelta(days=_SPARK_DAYS - 1)
    recent = {day: rows for day, rows in days if day >= since}
    most, step = max(recent.values(), default=0), width / _SPARK_DAYS
    title = f"{sum(recent.values()):,} rows in the last {_SPARK_DAYS} days"
    shapes = []
    for number in range(_SPARK_DAYS):
        if rows := recent.get(since + dt.timedelta(days=number), 0):
            tall = max(1.0, (height - 2) * rows / most)
            shapes.append(
                f'<rect x="{number * step:.1f}" y="{height - 1 - tall:.1f}" width="{step - 1:.1f}" '
                f'height="{tall:.1f}" class="c0"/>'
            )
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" role="img" aria-label="{title}"><title>{title}</title>'
        f'{"".join(shapes)}<line x1="0" x2="{width}" y1="{height - 0.5}" y2="{height - 0.5}" class="axis"/></svg>'
    )


def _columns(days: Days, most: int) -> list[tuple[dt.date, dt.date, int]]:
    """Return (first day, last day, rows) of at most so many columns of equal length, those between without rows too."""
    first, span = days[0][0], (days[-1][0] - days[0][0]).days + 1
    each = -(-span // most)
    sums = [0] * -(-span // each)
    for day, rows in days:
        sums[(day - first).days // each] += rows
    return [
        (first + dt.timedelta(days=number * each), first + dt.timedelta(days=(number + 1) * each - 1), rows)
        for number, rows in enumerate(sums)
    ]
