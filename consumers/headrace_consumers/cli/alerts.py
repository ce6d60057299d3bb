"""`headrace alerts render`: the configuration's thresholds as rules for Prometheus."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from headrace_consumers.cli.options import ConfigPath
from headrace_consumers.cli.present import print_lines
from headrace_consumers.cli.rendered_files import write_rendered

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
) -> None:
    """Write the rules for Prometheus: quality thresholds, error budget, and the health of Headrace itself."""
    from headrace.config import load
    from headrace_consumers.metrics.alerts import rule_file

    rendered = rule_file(load(config_path))
    if output is not None:
        _write(output, rendered.text)
    for note in (*rendered.notes, *rendered.lacks):
        sys.stderr.write(f"note: {note}\n")
    if output is None:
        sys.stdout.write(rendered.text)
        return
    print_lines([f"{output}: {rendered.alerts} alerts, {rendered.recordings} recording rules"])


def _write(path: Path, text: str) -> None:
    """Write the rules whole or not at all: Prometheus may be told to reload at any moment.

    Raises:
        UsageError: they cannot be written.
    """
    from headrace.errors import UsageError

    try:
        write_rendered(path, text)
    except OSError as error:
        raise UsageError(f"--output {path}: cannot write the rules ({error.strerror}); give another file") from None
