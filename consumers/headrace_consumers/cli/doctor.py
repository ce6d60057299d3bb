"""`headrace doctor`: what may be wrong with a set-up, each line ok or what to do."""

import time
from typing import TYPE_CHECKING

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import print_json, print_lines

if TYPE_CHECKING:
    from headrace_consumers.doctor import Result

__all__ = ["EXAMPLE", "command"]

EXAMPLE = "Example: headrace doctor --config headrace.json"


def command(*, config_path: ConfigPath = None, as_json: AsJson = False) -> None:
    """Look for what may be wrong: configuration, broker, topics, records, clocks, disks, permissions, DSPy.

    Each line begins with ok, note (it works, but look) or wrong, and says what to do. Nothing is changed. Exit code 1
    if something is wrong. Run it where the service runs: clocks, disks and DSPy are those of this host.
    """
    from headrace_consumers.doctor import examine

    results = []
    for result in examine(config_path, now_ms=time.time_ns() // 1_000_000, dspy_version=_dspy_version()):
        results.append(result)
        if not as_json:
            print_lines([_line(result)])
    is_wrong = any(result.state == "wrong" for result in results)
    if as_json:
        print_json({"ok": not is_wrong, "results": [result.as_dict() for result in results]})
    if is_wrong:
        raise typer.Exit(1)


def _line(result: "Result") -> str:
    text = f"{result.state:<5}  {result.check}: {result.what}"
    return " ".join([text, f"-> {result.mend}"] if result.mend else [text])


def _dspy_version() -> str | None:
    from importlib import metadata

    try:
        return metadata.version("dspy")
    except metadata.PackageNotFoundError:
        return None
