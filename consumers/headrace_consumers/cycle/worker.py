"""The process in which the user's program, metric and LMs run.

    python -m headrace_consumers.cycle.worker DESCRIPTOR

It ends when its stdin does, so that a run that is killed leaves no optimizer behind. What it prints goes nowhere:
programs and DSPy print people's words.
"""

import logging
import os
import sys
import threading
from typing import Final

from headrace_consumers.cycle.job import Channel, Job

__all__ = ["main", "unexpected"]

_QUIET: Final = ("dspy", "LiteLLM", "httpx", "optuna", "gepa")


def main(argv: list[str]) -> int:
    """Do the job that stands on stdin."""
    from headrace.errors import ConfigError, HeadraceError, UsageError
    from headrace_consumers.cycle.tasks import TASKS

    job = Job.model_validate_json(_first_line())
    threading.Thread(target=_leash, daemon=True).start()
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    channel = Channel(int(argv[0]))
    try:
        result = TASKS[job.task](job, channel)
    except HeadraceError as error:
        channel.failed(str(error), is_usage=isinstance(error, ConfigError | UsageError))
    except Exception as error:
        if os.environ.get("HEADRACE_TRACEBACK", "0") not in {"", "0"}:
            raise
        channel.failed(unexpected(error), is_usage=False)
    else:
        channel.result(result)
    # Threads that wait for ever, and an interpreter that would wait for them, are of no more use.
    sys.stderr.flush()
    os._exit(0)


def unexpected(error: BaseException) -> str:
    """Return the line for an error that nobody has thought of; its message may quote somebody's words."""
    import traceback
    from pathlib import Path

    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{place} (HEADRACE_TRACEBACK=1 shows more)"


def _first_line() -> bytes:
    """Return the job; nothing but it comes over stdin."""
    found = bytearray()
    while not found.endswith(b"\n"):
        part = os.read(0, 65_536)
        if not part:
            os._exit(1)
        found += part
    return bytes(found)


def _leash() -> None:
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
