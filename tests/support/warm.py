"""`headrace` as a process that need not import its libraries first: a fork of one that has (warm_server.py).

It is a process as any other: its own number, files, environment, exit code, and it can be killed. What a test saves by
it is a second or two of processor. HEADRACE_TEST_COLD=1 starts each from nothing, as a shell does.
"""

import array
import atexit
import functools
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.warm_server import LONGEST

__all__ = ["COLD", "WarmProcess", "code", "headrace", "run"]

COLD: Final = "HEADRACE_TEST_COLD"
_ROOT: Final = Path(__file__).parents[2]
_LOOK_S: Final = 0.05


def headrace(*arguments: str, **options: Any) -> "subprocess.Popen[Any]":
    """Start `headrace`.

    Args:
        arguments: its own.
        options: `stdin`, `stdout`, `stderr`, `env`, `cwd`, `text` of subprocess.Popen.
    """
    return _started([sys.executable, "-m", "headrace_consumers.cli", *arguments], **options)


def run(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout_s: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Run `headrace` to its end, as subprocess.run does with `capture_output` and `text`."""
    pipe = subprocess.PIPE
    with headrace(
        *arguments, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=env, cwd=cwd, text=True
    ) as process:
        try:
            out, error = process.communicate(timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


def code(lines: str, *arguments: object, env: Mapping[str, str] | None = None, timeout_s: float = 120) -> int:
    """Run `python -c LINES ARGUMENT...` to its end, and return its exit code; what it says is the test run's to say."""
    command = [sys.executable, "-c", lines, *map(str, arguments)]
    with _started(command, stdin=subprocess.DEVNULL, env=env) as process:
        try:
            return process.wait(timeout_s)
        except BaseException:
            process.kill()
            raise


def _started(command: list[str], **options: Any) -> "subprocess.Popen[Any]":
    return subprocess.Popen(command, **options) if os.environ.get(COLD) else WarmProcess(command, **options)


class _Server:
    """The forks' parent, one for each process of the test run."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = theirs.fileno()
        command = [sys.executable, "-m", "tests.support.warm_server", str(number)]
        environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, pass_fds=[number], cwd=_ROOT, env=environ, stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        self._lock = threading.RLock()
        self._ended: dict[int, int] = {}  # by what they were asked as: the system uses a process' number again
        self._asked = 0
        atexit.register(self._close)

    def start(
        self, arguments: Sequence[str], environ: Mapping[str, str], folder: str, files: Sequence[int]
    ) -> tuple[int, int]:
        """Return the new process' number, and as what it was asked for."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        with self._lock:
            self._asked += 1
            asked = {"arguments": list(arguments), "environ": dict(environ), "folder": folder, "asked": self._asked}
            request = json.dumps(asked).encode()
            assert len(request) < LONGEST
            self._ours.sendmsg([request], rights)
            while (told := self._told()) is None or told["asked"] != self._asked:
                pass  # it began for a test that was interrupted before it knew
            return told["began"], told["asked"]

    def status(self, asked: int, wait_s: float = 0.0) -> int | None:
        """Return how what was asked for ended, as os.waitpid tells it; None: it runs."""
        if wait_s:  # without the lock: others have processes to ask about, too
            select.select([self._ours], [], [], wait_s)
        with self._lock:
            while asked not in self._ended and select.select([self._ours], [], [], 0)[0]:
                self._told()
            return self._ended.get(asked)

    def _close(self) -> None:
        self._ours.close()
        self._process.wait()

    def _told(self) -> dict[str, int] | None:
        text = self._ours.recv(LONGEST)
        assert text, f"the warm server has ended: {self._process.wait()}"
        told: dict[str, int] = json.loads(text)
        if "ended" in told:
            self._ended[told["ended"]] = told["status"]
            return None
        return told


@functools.cache
def _server() -> _Server:
    return _Server()


class WarmProcess(subprocess.Popen[Any]):
    """`subprocess.Popen`, but that somebody else forks, and waits for the end."""

    def _execute_child(self, args: Sequence[str], *others: Any) -> None:
        folder, environ, pipes = others[4], others[5], others[9:15]
        files = [pipes[0], pipes[3], pipes[5]]
        given = [standard if each == -1 else each for standard, each in enumerate(files)]
        self._warm = _server()
        self.pid, self._asked = self._warm.start(
            args[1:], os.environ if environ is None else environ, str(folder or Path.cwd()), given
        )
        self._child_created = True
        self._close_pipe_fds(*pipes)

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        if self.returncode is None and (status := self._warm.status(self._asked)) is not None:
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        while (status := self._warm.status(self._asked, 0.0 if wait_flags else _LOOK_S)) is None:
            if wait_flags:
                return 0, 0
        return self.pid, status
