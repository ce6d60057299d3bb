"""Runs a program that would outlive a demo that is killed, and ends it when stdin does.

python -m headrace_consumers.demo.leash PROGRAM ARGUMENTS...
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Run the program and return its exit code."""
    process = subprocess.Popen(list(argv), stdin=subprocess.DEVNULL)  # noqa: S603  # what the demo has found on the PATH

    def end(_number: int, _frame: FrameType | None) -> None:
        process.terminate()

    signal.signal(signal.SIGTERM, end)

    def watch() -> None:
        while os.read(0, 1024):
            pass
        process.kill()

    threading.Thread(target=watch, daemon=True).start()
    return abs(process.wait())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
