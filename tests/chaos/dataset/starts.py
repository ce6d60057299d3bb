"""Two ways to start `headrace`: cold, as it is deployed, and warm, so that a start costs no second of processor time.

Warm: multiprocessing's fork server imports once what the commands import (`preload`) and forks for each start. That is
a process of its own, killed and stopped like any other, with clients, threads and files of its own; only the
interpreter's and the imports' part of a start is left out. So a share of the rounds is cold (`Plan.is_cold`).
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import IO, Final, Protocol, TypeAlias

__all__ = ["Process", "Start", "cold", "warm"]

_PAUSE_S: Final = 0.02
_PRELOADED: Final = ("__main__", "tests.chaos.dataset.preload", __name__)
_LOCK: Final = threading.Lock()
"""Of multiprocessing's books: two threads that look after one process at once would spoil its exit code."""


class Process(Protocol):
    """What is asked of a process here, as `subprocess.Popen` has it."""

    pid: int
    returncode: int | None
    stdout: IO[str] | None
    stderr: IO[str] | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


Start: TypeAlias = Callable[[Sequence[str], Mapping[str, str]], Process]
"""Starts `headrace` with arguments and further environment variables; its stdout and stderr are pipes."""


def cold(arguments: Sequence[str], variables: Mapping[str, str]) -> Process:
    """Start it in an interpreter of its own."""
    command = [sys.executable, "-m", "headrace_consumers.cli", *arguments]
    pipe, environment = subprocess.PIPE, {**os.environ, **variables}
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def warm(arguments: Sequence[str], variables: Mapping[str, str]) -> Process:
    """Start it by a fork of a process that has imported everything."""
    return _Forked(arguments, variables)


class _Forked:
    """A forked process, as `subprocess.Popen` would show it."""

    def __init__(self, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("forkserver")
        (output, output_end), (errors, errors_end) = context.Pipe(duplex=False), context.Pipe(duplex=False)
        with _LOCK:
            context.set_forkserver_preload(list(_PRELOADED))
            self._process = context.Process(
                target=_run, args=(list(arguments), dict(variables), output_end, errors_end)
            )
            self._process.start()
        output_end.close()
        errors_end.close()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self.returncode: int | None = None
        self.stdout: IO[str] | None = _file_of(output)
        self.stderr: IO[str] | None = _file_of(errors)

    def poll(self) -> int | None:
        if self.returncode is None:
            with _LOCK:
                self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + timeout if timeout is not None else float("inf")
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("headrace", timeout or 0.0)
            time.sleep(_PAUSE_S)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _file_of(connection: Connection) -> IO[str]:
    """Return the reading end of a pipe as a text file of its own."""
    with connection:
        return os.fdopen(os.dup(connection.fileno()), encoding="utf-8")


def _run(arguments: Sequence[str], variables: Mapping[str, str], output: Connection, errors: Connection) -> None:
    for connection, number in ((output, 1), (errors, 2)):
        with connection:
            os.dup2(connection.fileno(), number)
    os.environ.update(variables)
    sys.argv = ["headrace", *arguments]
    from headrace_consumers.cli.app import main

    sys.exit(main())
