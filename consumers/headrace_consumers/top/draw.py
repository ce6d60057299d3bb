"""A view as lines of a width and a height, whole in what is bad. Pure.

What is bad has a `!` beside it, for terminals and eyes without colour.
"""

import textwrap
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from headrace_consumers.top.calls import CallRow
from headrace_consumers.top.rows import Row
from headrace_consumers.top.view import View
from headrace_consumers.top.words import NONE, age, amount, cost, dollars, latency, per_second, share

__all__ = ["draw"]

_BAD: Final = "bold red"
_HEAD: Final = "bold"
_WHAT_WIDTH: Final = 13
_NAME_WIDTH: Final = 40
_FEWEST: Final = 3
_NAMES: Final = ("module", "signature", "version", "environment")


def draw(view: View, *, width: int, title: str, height: int | None = None) -> list[Text]:
    """Return the lines.

    Args:
        view: what to show.
        width: of a line, characters.
        title: the first line's beginning; its other end tells over how long rates are.
        height: at most so many lines; None: all. What is not bad gives way first.
    """
    over = f"rates, (+n): last {age(view.over_s)}" if view.over_s else "rates to come"
    head = [Text(f"{title}   {over}   ! bad", style=_HEAD), Text()]
    rows = list(view.rows)
    below = _rows(rows, width)
    modules = _modules(
        view.calls, width, None if height is None else max(_FEWEST + 1, height - len(head) - 1 - len(below))
    )
    while height is not None and len(head) + len(modules) + 1 + len(below) > height:
        good = next((place for place in reversed(range(len(rows))) if not rows[place].is_bad), None)
        if good is None:
            break
        del rows[good]
        below = _rows(rows, width)
    lines = [*head, *modules, Text(), *below]
    for line in lines:
        line.rstrip()
        line.truncate(width, overflow="ellipsis")
    return lines if height is None else lines[:height]


def _rows(rows: Sequence[Row], width: int) -> list[Text]:
    lines: list[Text] = []
    former = ""
    for row in rows:
        what = "" if row.what == former else row.what
        former = row.what
        parts = textwrap.wrap(_clean(row.says), max(20, width - _WHAT_WIDTH - 2), break_on_hyphens=False) or [""]
        for number, part in enumerate(parts):
            mark = "!" if row.is_bad and not number else " "
            lines.append(
                Text(f"{mark} {'' if number else what:<{_WHAT_WIDTH}}{part}", style=_BAD if row.is_bad else "")
            )
    return lines


def _clean(text: str) -> str:
    """Return text of which nothing tells a terminal to do anything: names come from services."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


_Cell: TypeAlias = tuple[str, bool]
_Column: TypeAlias = tuple[str, Callable[[CallRow], _Cell]]

_COLUMNS: Final[tuple[_Column, ...]] = (
    ("calls/s", lambda row: (NONE if row.calls_per_s is None else per_second(row.calls_per_s), False)),
    ("success", lambda row: (NONE if row.success is None else share(row.success), row.is_failing)),
    ("p50", lambda row: (latency(row.p50), False)),
    ("p99", lambda row: (latency(row.p99), row.is_slow)),
    ("cost/h", lambda row: (NONE if row.calls_per_s is None else dollars(row.cost_usd_per_h), False)),
    ("tokens/h", lambda row: (NONE if row.calls_per_s is None else amount(row.tokens_per_h), False)),
    ("sampled", lambda row: (NONE if row.sampled is None else share(row.sampled), False)),
)
_COST_P99: Final[_Column] = ("p99 cost", lambda row: (cost(row.cost_p99), row.is_dear))


def _modules(rows: Sequence[CallRow] | None, width: int, height: int | None) -> list[Text]:
    """Return the upper half: a line a module, or where that is too wide two, of names and of figures."""
    if rows is None:
        return [Text("! no metrics consumer is reached: no figures of calls", style=_BAD)]
    if not rows:
        return [Text("no calls were told of yet")]
    names = _aligned([_NAMES, *([_clean(getattr(row, name))[:_NAME_WIDTH] or NONE for name in _NAMES] for row in rows)])
    for columns in ((*_COLUMNS, _COST_P99), _COLUMNS):
        figures = _figures(rows, columns)
        if len(names[0]) + 1 + len(figures[0]) <= width:
            lines = [Text(f"{name} ").append_text(line) for name, line in zip(names, figures, strict=True)]
            head, entries = lines[:1], [[line] for line in lines[1:]]
            break
    else:
        head = [Text(names[0], style=_HEAD), figures[0]]
        entries = [[Text(name), line] for name, line in zip(names[1:], figures[1:], strict=True)]
    if columns is _COLUMNS:  # no room for the column
        for row, entry in zip(rows, entries, strict=True):
            if row.is_dear:
                entry[0].append(f"  p99 cost {cost(row.cost_p99)} !", style=_BAD)
    head[0].stylize(_HEAD)
    shown = _fitting(entries, None if height is None else height - len(head))
    more = (
        [Text(f"and {len(entries) - shown} more: a taller terminal or --once shows them")] if shown < len(rows) else []
    )
    return [*head, *(line for entry in entries[:shown] for line in entry), *more]


def _fitting(entries: Sequence[Sequence[Text]], height: int | None) -> int:
    """Return how many entries there is room for, and for the line that tells of the rest; at least one."""
    needed = len(entries[0])
    if height is None or len(entries) * needed <= height:
        return len(entries)
    return max(1, (height - 1) // needed)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _figures(rows: Sequence[CallRow], columns: Sequence[_Column]) -> list[Text]:
    """Return the header and a line a row, the columns as wide as what is in them."""
    cells = [[cell(row) for _, cell in columns] for row in rows]
    widths = [max(len(title), *(len(line[at][0]) for line in cells)) for at, (title, _) in enumerate(columns)]
    lines = [Text("".join(f"{title:>{width + 1}} " for (title, _), width in zip(columns, widths, strict=True)))]
    lines[0].stylize(_HEAD)
    for line in cells:
        text = Text()
        for (said, is_bad), width in zip(line, widths, strict=True):
            text.append(f"{'!' * is_bad + said:>{width + 1}} ", style=_BAD if is_bad else "")
        lines.append(text)
    return lines
