"""`headrace dataset verify`: whether the table is what the consumer promises."""

from typing import Annotated, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.results import show_results

__all__ = ["EXAMPLE", "verify"]

EXAMPLE: Final = "Example: headrace dataset verify --full"


def verify(
    *,
    full: Annotated[bool, typer.Option("--full", help="Read the payloads too.")] = False,
    commits: Annotated[int, typer.Option("--commits", min=1, help="Look at so many of the newest commits.")] = 10_000,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Check the table: each file readable, each key in one row, no offset passed over, the seen-set equal to it.

    Each line begins with ok, note or wrong, and says what to do. Nothing is changed, and consumers may run on.
    Exit code 1 if something is wrong.
    """
    from headrace.config import load
    from headrace_consumers.verification import verify as results

    show_results(results(load(config_path), full=full, commits=commits), as_json=as_json)
