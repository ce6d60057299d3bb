"""`headrace dataset ls|show`: what is in the table."""

import sys
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, count, print_json, print_lines, shortened

__all__ = ["app", "row_lines"]

app = typer.Typer(help="Look into the dataset.", rich_markup_mode=None)

_PAYLOADS = ("input", "output")


@app.command("ls", epilog="Example: headrace dataset ls --config headrace.json")
def list_signatures(*, config_path: ConfigPath = None, as_json: AsJson = False) -> None:
    """List the signatures: rows, versions of their fields, when they came, mean quality."""
    from headrace.config import load
    from headrace_consumers.cli.reading import signatures

    found = signatures(load(config_path).dataset)
    if as_json:
        print_json(found)
        return
    header = ("signature", "rows", "fields", "first", "last", "quality")
    rows = [
        (
            row["signature"],
            count(row["rows"]),
            count(row["fields_hashes"]),
            _minute(row["first_ingested_at"]),
            _minute(row["last_ingested_at"]),
            "" if row["mean_quality"] is None else f"{row['mean_quality']:.2f}",
        )
        for row in found
    ]
    print_lines(columns([header, *rows], right=frozenset({1, 2, 5})))


@app.command(epilog="Example: headrace dataset show --signature ClassifyTicket -n 5 --json")
def show(
    *,
    signature: Annotated[str, typer.Option("--signature", "-s", help="As `headrace dataset ls` names it.")],
    rows: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 3,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest rows of a signature."""
    from headrace.config import load
    from headrace_consumers.cli.reading import newest

    found = newest(load(config_path).dataset, signature, rows)
    if as_json:
        print_json(found)
        return
    width = get_terminal_size().columns if sys.stdout.isatty() else 10**6
    for number, row in enumerate(found):
        print_lines([""] * (number > 0) + row_lines(row, width))


def row_lines(row: dict[str, Any], width: int) -> list[str]:
    """Return one row of the table as aligned lines of at most `width` characters: input, output, then the rest."""
    cells = [(f"{name}.{field}", value) for name in _PAYLOADS for field, value in _fields(row[name])]
    cells += [(name, value) for name, value in row.items() if name not in _PAYLOADS and value is not None]
    indent = max(len(name) for name, _ in cells) + 2
    return [f"{name:<{indent}}{shortened(_text(value), max(width - indent, 20))}" for name, value in cells]


def _fields(payload: Any) -> list[tuple[str, Any]]:
    return list(payload.items()) if isinstance(payload, dict) else [("", payload)]


def _text(value: Any) -> str:
    import json

    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | bool | float):
        return json.dumps(value, ensure_ascii=False)
    return _minute(value) if hasattr(value, "strftime") else str(value)


def _minute(moment: Any) -> str:
    return "" if moment is None else str(moment.strftime("%Y-%m-%d %H:%M"))
