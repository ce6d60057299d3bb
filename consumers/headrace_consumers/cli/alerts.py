"""`headrace alerts render`: the configuration's thresholds as rules for Prometheus."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from headrace_consumers.cli.options import ConfigPath
from headrace_consumers.cli.present import print_lines
from headrace_consumers.cli.rendered_files import made_folder, write_rendered

__all__ = ["app"]

app = typer.Typer(help="Alerts from Prometheus.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Keep `render` a command of its own, for Typer runs a single one without its name."""


@app.command(epilog="Example: headrace alerts render --config headrace.json --output rules/headrace.yaml")
def render(
    *,
    config_path: ConfigPath = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", show_default=False, help="Where to; else stdout."),
    ] = None,
    runbook: Annotated[
        Path | None,
        typer.Option(
            "--runbook",
            metavar="FILE",
            show_default=False,
            help="Write the runbook, too, as a page in the folder of Prometheus' --web.console.templates; alerts "
            "link it there, unless alerts.runbook_url is set.",
        ),
    ] = None,
) -> None:
    """Write the rules for Prometheus: quality thresholds, error budget, and the health of Headrace itself."""
    from headrace.config import load
    from headrace_consumers.metrics.alerts import rule_file
    from headrace_consumers.metrics.alerts.runbook import runbook_link, runbook_page

    rendered = rule_file(load(config_path), None if runbook is None else runbook_link(runbook))
    if runbook is not None:
        _write(runbook, runbook_page(), "--runbook", "the runbook")
    if output is not None:
        _write(output, rendered.text, "--output", "the rules")
    for note in (*rendered.notes, *rendered.lacks):
        sys.stderr.write(f"note: {note}\n")
    if output is None:
        sys.stdout.write(rendered.text)
        return
    print_lines([f"{output}: {rendered.alerts} alerts, {rendered.recordings} recording rules"])


def _write(path: Path, text: str, option: str, what: str) -> None:
    """Write a file whole or not at all: Prometheus may be told to reload at any moment.

    Raises:
        UsageError: they cannot be written.
    """
    from headrace.errors import UsageError

    try:
        if option == "--runbook":  # a folder of its own, among the rules say
            made_folder(path.parent)
        write_rendered(path, text)
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot write {what} ({error.strerror}); give another file") from None
