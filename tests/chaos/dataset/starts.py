"""Two ways to start `headrace`: cold, as it is deployed, and warm, so that a start costs no second of processor time.

A warm start is a process of its own, killed and stopped like any other, with clients, threads and files of its own;
only the interpreter's and the imports' part of a start is left out. So a share of the rounds is cold (`Plan.is_cold`).
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from tests.support.warm import WarmProcess

__all__ = ["Process", "Start", "cold", "warm"]

Process: TypeAlias = "subprocess.Popen[str]"
Start: TypeAlias = Callable[[Sequence[str], Mapping[str, str]], Process]
"""Starts `headrace` with arguments and further environment variables; its stdout and stderr are pipes."""


def cold(arguments: Sequence[str], variables: Mapping[str, str]) -> Process:
    """Start it in an interpreter of its own."""
    return subprocess.Popen(**_options(arguments, variables))


def warm(arguments: Sequence[str], variables: Mapping[str, str]) -> Process:
    """Start it by a fork of a process that has imported everything."""
    return WarmProcess(**_options(arguments, variables))


def _options(arguments: Sequence[str], variables: Mapping[str, str]) -> dict[str, object]:
    command = [sys.executable, "-m", "headrace_consumers.cli", *arguments]
    pipe = subprocess.PIPE
    return {"args": command, "stdout": pipe, "stderr": pipe, "text": True, "env": {**os.environ, **variables}}
