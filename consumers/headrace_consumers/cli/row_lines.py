"""A row of the table as lines for people."""

import datetime as dt
import json
from typing import Any, Final

from headrace_consumers.cli.beside_rows import FEEDBACK
from headrace_consumers.cli.present import shortened

__all__ = ["minute", "row_lines"]

_PAYLOADS: Final = ("input", "output")
_WORDS: Final = ("score", "label", "comment", "correction", "module_name")


def row_lines(row: dict[str, Any], width: int) -> list[str]:
    """Return one row of the table as aligned lines of at most `width` characters: input, output, then the rest."""
    cells = [(f"{name}.{field}", value) for name in _PAYLOADS for field, value in _fields(row[name])]
    cells += [(name, value) for name, value in row.items() if name not in (*_PAYLOADS, FEEDBACK) and value is not None]
    cells += [(FEEDBACK, _said(said)) for said in row.get(FEEDBACK, ())]
    indent = max(len(name) for name, _ in cells) + 2
    return [f"{name:<{indent}}{shortened(_text(value), max(width - indent, 20))}" for name, value in cells]


def _fields(payload: Any) -> list[tuple[str, Any]]:
    return list(payload.items()) if isinstance(payload, dict) else [("", payload)]


def _said(feedback: dict[str, Any]) -> str:
    """Return one feedback in a line: what was said, of which module, when."""
    parts = [f"{name} {_text(feedback[name])}" for name in _WORDS if feedback[name] is not None]
    moment = dt.datetime.fromtimestamp(feedback["timestamp_ms"] / 1000, dt.UTC)
    return "; ".join([*parts, minute(moment)]) + (" (on a copy)" if feedback["to_a_copy"] else "")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | bool | float):
        return json.dumps(value, ensure_ascii=False)
    return minute(value) if hasattr(value, "strftime") else str(value)


def minute(moment: Any) -> str:
    """Return a time to the minute, or nothing."""
    return "" if moment is None else str(moment.strftime("%Y-%m-%d %H:%M"))
