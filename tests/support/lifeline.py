"""What is started for a test run ends with it, even when the run is killed with SIGKILL.

    test run --pipe--> lifeline (a process in a session of its own) --> broker

The lifeline reads from the pipe. A byte, or the pipe's end (which the kernel brings about when the run dies, however
it dies), makes it end the broker and remove what the broker left. So there is one way to end, and each run tests it.

    python lifeline.py process FOLDER COMMAND...   starts the command, its output in FOLDER/log; removes the folder
    python lifeline.py container NAME              removes the Docker container of that name
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

__all__ = ["LOG", "Lifeline"]

LOG = "log"
_STOP_TIMEOUT_S = 60


class Lifeline:
    """Holds something alive until `cut`.

    Args:
        arguments: those of this module's command line.
        environ: the environment of the lifeline and what it starts.
    """

    def __init__(self, *arguments: str, environ: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the test run, which then cuts the lifeline
            env=environ,
        )

    def holds(self) -> bool:
        """Tell whether what it holds alive has not ended by itself."""
        return self._process.poll() is None

    def cut(self) -> None:
        """End what it held alive, and wait until that is done; a second call does nothing."""
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError, ValueError):
            pipe.write(b".")  # the end of the pipe alone could be held off by a fork that inherited it
            pipe.flush()
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
        self._process.wait(_STOP_TIMEOUT_S)


def _hold_process(folder: Path, command: list[str]) -> int:
    with (folder / LOG).open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    cut = threading.Event()

    def end() -> None:
        os.read(0, 1)  # sys.stdin's lock would be held as the interpreter ends, when the process ended by itself
        cut.set()
        process.kill()  # the data goes with it: nothing is worth an orderly end

    threading.Thread(target=end, daemon=True).start()
    code = process.wait()
    if cut.is_set():
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    return code or 1  # it ended by itself: the log is left for the run to quote


def _hold_container(name: str) -> int:
    import docker
    import docker.errors

    sys.stdin.buffer.read(1)
    client = docker.from_env()
    with contextlib.suppress(docker.errors.NotFound):
        client.containers.get(name).remove(force=True, v=True)
    client.close()
    return 0


def _main(arguments: list[str]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the pipe counts
    if arguments[0] == "process":
        return _hold_process(Path(arguments[1]), arguments[2:])
    return _hold_container(arguments[1])


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
