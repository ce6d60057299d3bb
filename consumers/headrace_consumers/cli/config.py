"""`headrace config show|check`: what is configured, and whether it can work."""

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, print_json, print_lines

if TYPE_CHECKING:
    from headrace.config import Filters

__all__ = ["app"]

app = typer.Typer(help="Show or check the configuration.", rich_markup_mode=None)


@app.command(epilog="Example: headrace config show --config headrace.json")
def show(*, config_path: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show the effective configuration: file, environment and defaults. Secrets are masked."""
    from headrace.config import load, shown

    values = shown(load(config_path))
    if as_json:
        print_json(values)
    else:
        print_lines(columns([(key, json.dumps(value, ensure_ascii=False)) for key, value in _leaves(values)]))


@app.command(epilog="Example: headrace config check --config headrace.json")
def check(*, config_path: ConfigPath = None, as_json: AsJson = False) -> None:
    """Check the configuration, librdkafka's options and alert thresholds included, without connecting to anything."""
    from headrace.config import ENV_FILE, check_latency_thresholds, load
    from headrace_consumers.cli.client_options import check_client_options
    from headrace_consumers.metrics.alerts import rule_file

    config = load(config_path)
    check_latency_thresholds(config)
    check_own_callables(config.filters)
    notes = [*check_client_options(config.kafka), *rule_file(config).notes]
    source = config_path or os.environ.get(ENV_FILE)
    if as_json:
        print_json({"ok": True, "file": str(source) if source else None, "notes": notes})
        return
    print_lines([f"ok: {source or 'no file; environment and defaults'}"])
    print_lines(notes)


def check_own_callables(filters: "Filters") -> None:
    """Check that what the configuration names as `package.module:object` can be imported and called.

    Raises:
        ConfigError: one cannot.
    """
    thresholds = [filters.default, *map(filters.for_signature, filters.signatures)]
    paths = {path for each in thresholds for path in (each.scorer, *each.own_filters) if ":" in path}
    if paths:  # imported late: it brings polars and deltalake
        from headrace_consumers.dataset.judging.own import load_callable

        for path in sorted(paths):
            load_callable(path)


def _leaves(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, values
