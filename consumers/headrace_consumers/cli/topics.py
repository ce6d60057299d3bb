"""`headrace topics create|check`: the topics on the broker."""

from typing import TYPE_CHECKING, Annotated

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath, LogFormat, LogFormatOption, LogLevel, LogLevelOption
from headrace_consumers.cli.present import print_json, print_lines

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace_consumers.topics import Broker, Finding

__all__ = ["app"]

app = typer.Typer(help="Create or check the topics.", rich_markup_mode=None)


@app.command(epilog="Example: headrace topics create --partitions 16 --config headrace.json")
def create(
    *,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of a new topic. They cannot grow later.")] = 8,
    replication_factor: Annotated[
        int | None, typer.Option(min=1, show_default="3, or the number of brokers", help="Copies of a new topic.")
    ] = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.auto,
    log_level: LogLevelOption = LogLevel.warning,
) -> None:
    """Create the topics that are missing. Existing ones are left as they are, and checked."""
    from headrace_consumers import logs, topics

    logs.configure(log_format.value, log_level.value)
    config, broker = _connect(config_path)
    specs = topics.wanted(config)
    created = broker.create(specs, partitions, replication_factor)
    existing = [spec.name for spec in specs if spec.name not in created]
    findings = [finding for finding in _findings(config, broker, fresh=created) if finding.topic in existing]
    if as_json:
        print_json({"created": created, "existing": existing, "findings": [finding.as_dict() for finding in findings]})
    else:
        by_name = {spec.name: spec.partitions or partitions for spec in specs}
        print_lines(f"{name}: created, {_count(by_name[name])}" for name in created)
        print_lines(f"{name}: exists" for name in existing)
        print_lines(_line(finding) for finding in findings)
    if any(finding.problem for finding in findings):
        raise typer.Exit(1)


@app.command(epilog="Example: headrace topics check --config headrace.json")
def check(
    *,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.auto,
    log_level: LogLevelOption = LogLevel.warning,
) -> None:
    """Check that the topics are there, with the settings that the guarantees rest on."""
    from headrace_consumers import logs, topics

    logs.configure(log_format.value, log_level.value)
    config, broker = _connect(config_path)
    findings = _findings(config, broker)
    problems = {finding.topic for finding in findings if finding.problem}
    if as_json:
        print_json({"ok": not problems, "findings": [finding.as_dict() for finding in findings]})
    else:
        names = [spec.name for spec in topics.wanted(config)]
        print_lines(f"{name}: ok" for name in names if name not in problems)
        print_lines(_line(finding) for finding in findings)
    if problems:
        raise typer.Exit(1)


def _connect(config_path: ConfigPath) -> "tuple[Config, Broker]":
    from headrace.config import load
    from headrace_consumers.topics import Broker

    config = load(config_path)
    return config, Broker(config)


def _findings(config: "Config", broker: "Broker", fresh: "list[str] | None" = None) -> "list[Finding]":
    """Compare; topics made a moment ago may not be listed yet, and are not reported as missing."""
    from headrace_consumers import topics

    specs = [spec for spec in topics.wanted(config) if spec.name not in (fresh or ())]
    states = broker.describe([spec.name for spec in topics.wanted(config)])
    return topics.compare(config, specs, states, broker.bootstrap_servers, broker.brokers())


def _count(partitions: int) -> str:
    return "1 partition" if partitions == 1 else f"{partitions} partitions"


def _line(finding: "Finding") -> str:
    kind = "" if finding.problem else "note: "
    return f"{finding.topic}: {kind}{finding.what}; to change it: {finding.mend}"
