"""`headrace dataset sample|query`: rows at random, and SQL over the table. Payloads are shown: that is the purpose."""

import datetime as dt
import random
import sys
from shutil import get_terminal_size
from typing import Annotated, Any, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, count, print_json, print_lines, shortened
from headrace_consumers.cli.row_lines import row_lines

__all__ = ["QUERY_EXAMPLE", "SAMPLE_EXAMPLE", "query", "sample"]

SAMPLE_EXAMPLE: Final = "Example: headrace dataset sample -s ClassifyTicket -n 10 --since 2026-03-01 --json"
QUERY_EXAMPLE: Final = 'Example: headrace dataset query "select signature, count(*) from dataset group by all"'

_WIDEST: Final = 60
_Day = dt.datetime
_DAY: Final = ["%Y-%m-%d"]


def sample(
    *,
    signature: Annotated[
        str | None, typer.Option("--signature", "-s", show_default=False, help="Only of this one.")
    ] = None,
    rows: Annotated[int, typer.Option("-n", min=1, max=100_000, help="How many.")] = 5,
    each: Annotated[bool, typer.Option("--each", help="So many of each signature.")] = False,
    since: Annotated[
        _Day | None, typer.Option("--since", metavar="DATE", formats=_DAY, show_default=False, help="From this day on.")
    ] = None,
    until: Annotated[
        _Day | None, typer.Option("--until", metavar="DATE", formats=_DAY, show_default=False, help="Up to this day.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, show_default=False, help="Draw the same rows again.")
    ] = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show rows drawn at random, each with the same chance. Days are those on which Kafka took them in, UTC."""
    from headrace.config import load
    from headrace_consumers.cli import reading

    chosen = reading.Chosen(signature, None if since is None else since.date(), None if until is None else until.date())
    seed = random.randrange(2**31) if seed is None else seed  # noqa: S311  # nothing secret
    found = reading.sample(load(config_path).dataset, chosen, rows, seed=seed, each_signature=each)
    if as_json:
        print_json(found)
        return
    width = get_terminal_size().columns if sys.stdout.isatty() else 10**6
    for number, row in enumerate(found):
        print_lines([""] * (number > 0) + row_lines(row, width))
    if not found:
        sys.stderr.write("no such rows\n")


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT; the table's name is dataset.")],
    *,
    most: Annotated[int, typer.Option("--most", min=1, help="At most so many rows.")] = 1000,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question in SQL (DuckDB's dialect) about the table. Reads nothing but the table, and writes nothing.

    input, output and attributes are JSON: input->>'question' is a field's text. Times are UTC.
    """
    from headrace.config import load
    from headrace_consumers.cli.querying import query as ask

    answer = ask(load(config_path).dataset, sql, most)
    if as_json:
        print_json([dict(zip(answer.columns, map(_plain, row), strict=True)) for row in answer.rows])
    else:
        cells = [[shortened(_text(value), _WIDEST) for value in row] for row in answer.rows]
        numbers = {
            at for at in range(len(answer.columns)) if all(isinstance(row[at], int | float) for row in answer.rows)
        }
        print_lines(columns([answer.columns, *cells], right=frozenset(numbers if answer.rows else ())))
    if answer.is_cut:
        sys.stderr.write(f"the first {count(most)} rows; --most N shows more\n")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str | bytes | dt.datetime | dt.date):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return str(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float):
        return f"{value:g}"
    return value.hex() if isinstance(value, bytes) else str(value)
