"""How results are shown: JSON for machines, aligned columns for people."""

import datetime as dt
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["columns", "count", "figures", "print_json", "print_lines", "shares", "shortened"]


def print_json(value: Any) -> None:
    """Print a value as JSON with a newline; times as ISO 8601."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout."""
    for line in lines:
        sys.stdout.write(line.encode("utf-8", "backslashreplace").decode().rstrip() + "\n")


def columns(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return rows as lines with aligned columns, two blanks between them.

    Args:
        rows: the cells; all rows have as many as the first.
        right: the columns whose cells are aligned right.
    """
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def figures(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return lines of a name, a figure aligned right, and a remark."""
    return columns(rows, right=frozenset({1}))


def count(number: float) -> str:
    """Return a count with thousands marked: 1,234."""
    return f"{number:,}"


def shares(counts: Mapping[str, int]) -> str:
    """Return counts by name, the largest first: ``success 12, latency_ms 3``."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count(number)}" for name, number in ordered if number)


def shortened(text: str, width: int) -> str:
    """Return one line of at most `width` characters, none of which tells a terminal to do anything."""
    line = "".join(character if character.isprintable() else "\ufffd" for character in " ".join(text.split()))
    return line if len(line) <= width else line[: width - 3] + "..."


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} is no JSON")
