"""`headrace dataset ls|show`: what is in the table; and where the other commands of the group join it."""

import sys
from shutil import get_terminal_size
from typing import Annotated

import typer

from headrace_consumers.cli import (
    dataset_card,
    dataset_cut,
    dataset_edit,
    dataset_erase_examples,
    dataset_import_examples,
    dataset_maintain,
    dataset_mine_git,
    dataset_query,
    dataset_replay,
    dataset_synthesize,
    dataset_trace,
    dataset_verify,
    dataset_why,
)
from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, count, print_json, print_lines
from headrace_consumers.cli.row_lines import minute, row_lines

__all__ = ["app"]

app = typer.Typer(help="Look into the dataset.", rich_markup_mode=None)


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
            minute(row["first_ingested_at"]),
            minute(row["last_ingested_at"]),
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
    """Show the newest rows of a signature, how often each came, and the feedback on it."""
    from headrace.config import load
    from headrace_consumers.cli.beside_rows import add_what_stands_beside
    from headrace_consumers.cli.reading import newest

    dataset = load(config_path).dataset
    found = newest(dataset, signature, rows)
    add_what_stands_beside(dataset, found)
    if as_json:
        print_json(found)
        return
    width = get_terminal_size().columns if sys.stdout.isatty() else 10**6
    for number, row in enumerate(found):
        print_lines([""] * (number > 0) + row_lines(row, width))


app.command("sample", epilog=dataset_query.SAMPLE_EXAMPLE)(dataset_query.sample)
app.command("query", epilog=dataset_query.QUERY_EXAMPLE)(dataset_query.query)
app.command("cut", epilog=dataset_cut.EXAMPLE)(dataset_cut.cut)
app.command("replay", epilog=dataset_replay.EXAMPLE)(dataset_replay.replay)
app.command("card", epilog=dataset_card.EXAMPLE)(dataset_card.write_card)
app.command("add", epilog=dataset_edit.ADD_EXAMPLE)(dataset_edit.add)
app.command("relabel", epilog=dataset_edit.RELABEL_EXAMPLE)(dataset_edit.relabel)
app.command("exclude", epilog=dataset_edit.EXCLUDE_EXAMPLE)(dataset_edit.exclude)
app.command("restore", epilog=dataset_edit.RESTORE_EXAMPLE)(dataset_edit.restore)
app.command("erase-examples", epilog=dataset_erase_examples.EXAMPLE)(dataset_erase_examples.erase_examples)
app.command("verify", epilog=dataset_verify.EXAMPLE)(dataset_verify.verify)
app.command("why", epilog=dataset_why.EXAMPLE)(dataset_why.why)
app.command("trace", epilog=dataset_trace.EXAMPLE)(dataset_trace.trace)
app.command("maintain", epilog=dataset_maintain.EXAMPLE)(dataset_maintain.maintain)
app.command("import-examples", epilog=dataset_import_examples.EXAMPLE)(dataset_import_examples.import_examples)
app.command("mine-git", epilog=dataset_mine_git.EXAMPLE)(dataset_mine_git.mine_git)
app.command("synthesize", epilog=dataset_synthesize.EXAMPLE)(dataset_synthesize.synthesize)
