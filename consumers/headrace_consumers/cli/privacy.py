"""`headrace privacy pseudonym`: what stands for a person in the records."""

import sys
from typing import Annotated

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import print_json, print_lines

__all__ = ["app"]

app = typer.Typer(help="Find a person's records.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Keep `pseudonym` a subcommand, though it is the only one yet."""


@app.command(epilog="Example: headrace privacy pseudonym --config headrace.json < subject_ids.txt")
def pseudonym(
    *,
    subject_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUBJECT_ID]...", show_default=False, help="None: one a line on stdin, unseen by `ps`."
        ),
    ] = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Print the subject_id that records hold for a service's own id of a person, e.g. to erase them.

    With redaction.pseudonym_key, whose key must be at hand, else the plain hash.
    """
    from headrace.config import load
    from headrace.key_material import pseudonym_key
    from headrace.redaction import subject_pseudonym

    key = pseudonym_key(load(config_path))
    ids = subject_ids or [line.rstrip("\r\n") for line in sys.stdin if line.strip()]
    pseudonyms = {subject_id: subject_pseudonym(subject_id, key) for subject_id in ids}
    if as_json:
        print_json(pseudonyms)
    else:
        print_lines(list(pseudonyms.values()))
