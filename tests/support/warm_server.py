"""A process in which the libraries are imported already; each program that it is asked for is a fork of it.

    test run --(command, environment, folder, three files)--> this --fork--> headrace, or a few lines of Python
             <------ its number, and later how it ended ------

Run by tests/support/warm.py: python -m tests.support.warm_server SOCKET. It ends with the test run, whose end of the
socket the kernel closes. It has one thread, beside those of jemalloc, which knows of forks, and Polars' cleaner, which
sleeps until somebody spills: so a fork takes nothing along that somebody holds.
"""

import array
import fcntl
import functools
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

__all__ = ["LONGEST", "main"]

LONGEST: Final = 128 * 1024
_IMPORTED: Final = (
    "headrace_consumers.acls",
    "headrace_consumers.cli.app",
    "headrace_consumers.dataset.feedback.run",
    "headrace_consumers.dataset.run",
    "headrace_consumers.dataset.upkeep.upkeep",
    "headrace_consumers.metrics.run",
    "headrace_consumers.rollout.run",
    "headrace_consumers.topics",
    "headrace_consumers.verification",
    "headrace_consumers.versions.cutting.cut",
    "headrace_consumers.versions.erasing.words",
    "headrace_consumers.versions.shelf.rollback",
)
_LOCK: Final = Path(__file__).parents[2] / ".cache" / "warm_server.lock"
_KNOWN_THREADS: Final = frozenset({"jemalloc_bg_thd", "polars-ooc-clea"})


def main(descriptor: int) -> Callable[[], int] | None:
    """Answer requests; return in each fork, with what it is to do, and with None when the test run has ended."""
    for name in _IMPORTED:
        importlib.import_module(name)
    _LOCK.parent.mkdir(exist_ok=True)
    with _LOCK.open("w") as lock:  # it compiles for ten seconds; the second process finds what the first has kept
        fcntl.flock(lock, fcntl.LOCK_EX)
        importlib.import_module("headrace_consumers.dataset.records.columnar").ColumnarDecoder()
    others = [name for name in _threads() if name not in _KNOWN_THREADS]
    assert len(others) == 1, f"{others}: a fork is not safe"
    asked = socket.socket(fileno=descriptor)
    woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    asked_as: dict[int, int] = {}  # the system uses a process' number again
    while True:
        readable, _, _ = select.select([asked, woken], [], [])
        if woken in readable:
            os.read(woken, 4096)
            _tell_of_ends(asked, asked_as)
        if asked not in readable:
            continue
        request, files = _received(asked)
        if request is None:
            return None
        if (number := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            asked.close()
            os.close(woken)
            os.close(waking)
            return _prepared(request, files)
        for each in files:
            os.close(each)
        asked_as[number] = request["asked"]
        asked.send(json.dumps({"began": number, "asked": request["asked"]}).encode())


def _threads() -> list[str]:
    return [(each / "comm").read_text().strip() for each in Path("/proc/self/task").iterdir()]


def _received(asked: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    files = array.array("i")
    try:
        text, extra, _, _ = asked.recvmsg(LONGEST, socket.CMSG_SPACE(3 * files.itemsize))
    except ConnectionResetError:
        return None, []
    for _, _, data in extra:
        files.frombytes(data)
    return (json.loads(text) if text else None), list(files)


def _tell_of_ends(asked: socket.socket, asked_as: dict[int, int]) -> None:
    while True:
        try:
            number, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not number:
            return
        try:
            asked.send(json.dumps({"ended": asked_as.pop(number), "status": status}).encode())
        except OSError:  # the test run has ended
            return


def _prepared(request: dict[str, Any], files: list[int]) -> Callable[[], int]:
    for standard, each in enumerate(files):
        os.dup2(each, standard)
        os.close(each)
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["folder"])
    option, what, *arguments = request["arguments"]
    if option == "-c":
        sys.argv[:] = [option, *arguments]
        return functools.partial(_run, what)
    sys.argv[:] = ["headrace", *arguments]
    from headrace_consumers.cli import main as headrace

    return headrace


def _run(code: str) -> int:
    exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    return 0


if __name__ == "__main__":
    work = main(int(sys.argv[1]))
    sys.exit(work() if work is not None else 0)
