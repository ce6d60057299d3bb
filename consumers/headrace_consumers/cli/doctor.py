"""`headrace doctor`: what may be wrong with a set-up, each line ok or what to do."""

import time

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.results import show_results

__all__ = ["EXAMPLE", "command"]

EXAMPLE = "Example: headrace doctor --config headrace.json"


def command(*, config_path: ConfigPath = None, as_json: AsJson = False) -> None:
    """Look for what may be wrong: configuration, broker, topics, records, clocks, disks, permissions, DSPy.

    Each line begins with ok, note (it works, but look) or wrong, and says what to do. Nothing is changed. Exit code 1
    if something is wrong. Run it where the service runs: clocks, disks and DSPy are those of this host.
    """
    from headrace_consumers.doctor import examine

    results = examine(config_path, now_ms=time.time_ns() // 1_000_000, dspy_version=_dspy_version())
    show_results(results, as_json=as_json)


def _dspy_version() -> str | None:
    from importlib import metadata

    try:
        return metadata.version("dspy")
    except metadata.PackageNotFoundError:
        return None
