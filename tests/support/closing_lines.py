"""Lines that a test run prints at its end, whichever of its processes has something to say.

test, fixture --say--> its process's lines --pytest-xdist--> the process that prints
"""

from typing import Any

import pytest

__all__ = ["collected", "hand_over", "say", "take_over"]

_LINES = pytest.StashKey[list[str]]()
_KEY = "closing_lines"


def say(config: pytest.Config, line: str) -> None:
    """Have a line printed at the end of the run; the same line twice is printed once."""
    lines = config.stash.setdefault(_LINES, [])
    if line not in lines:
        lines.append(line)


def collected(config: pytest.Config) -> list[str]:
    """Return what has been said."""
    return config.stash.get(_LINES, [])


def hand_over(config: pytest.Config) -> None:
    """Give what was said in a worker of pytest-xdist to the process that prints; nothing elsewhere."""
    output: dict[str, Any] | None = getattr(config, "workeroutput", None)
    if output is not None:
        output[_KEY] = collected(config)


def take_over(config: pytest.Config, worker: Any) -> None:
    """Add what a worker has handed over; one that crashed has not."""
    for line in getattr(worker, "workeroutput", {}).get(_KEY, []):
        say(config, line)
