"""`headrace dashboards render`: Grafana's dashboards of the configuration."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from headrace_consumers.cli.options import ConfigPath
from headrace_consumers.cli.present import print_lines
from headrace_consumers.cli.rendered_files import made_folder, write_rendered

__all__ = ["app"]

app = typer.Typer(help="Dashboards for Grafana.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Keep `render` a command of its own, for Typer runs a single one without its name."""


@app.command(epilog="Example: headrace dashboards render --config headrace.json --output-dir grafana/dashboards")
def render(
    *,
    config_path: ConfigPath = None,
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", metavar="DIR", help="Where to; it is made where it is missing.")
    ] = Path("dashboards"),
) -> None:
    """Write a JSON file for each dashboard: traffic and quality, cost, pipeline health, the dataset."""
    from headrace.config import load
    from headrace.errors import UsageError
    from headrace_consumers import dashboards

    config = load(config_path)
    try:
        rendered = dashboards.render(config)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("grafana_foundation_sdk"):
            raise
        raise UsageError("dashboards render: needs Grafana's SDK; pip install 'headrace[dashboards]'") from None
    if "://" not in config.alerts.runbook_url:
        sys.stderr.write(
            f"note: alerts.runbook_url is {config.alerts.runbook_url}, no URL, so panels have no links to the runbook\n"
        )
    try:
        folder = made_folder(output_dir)
        for each in rendered:
            write_rendered(folder / each.name, each.text)
    except OSError as error:
        raise UsageError(
            f"--output-dir {output_dir}: cannot write the dashboards ({error.strerror}); give another folder"
        ) from None
    print_lines([f"{output_dir / each.name}: {each.panels} panels" for each in rendered])
