"""A worker and its run: started, listened to, ended with it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import IO, Any, Final, TypeAlias

from headrace.errors import UsageError
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.job import Job

__all__ = ["OnProgress", "Work", "worked"]

OnProgress: TypeAlias = Callable[[Mapping[str, Any]], object]
"""Given what a worker tells: what, done, total, and of trials score, best, lm_calls, cost_usd."""

Work: TypeAlias = Callable[[Job, OnProgress], Any]
"""Does a job, returns its result; a worker, or a function in tests."""

_ENDS_WITHIN_S: Final = 10


def worked(job: Job, on_progress: OnProgress, lock: int) -> Any:
    """Do a job in a worker; return its result.

    Args:
        job: what.
        on_progress: told meanwhile.
        lock: the descriptor of the run's lock, which the worker shares.

    Raises:
        CycleError: it failed, in one line.
        UsageError: likewise, for a mistake in the configuration.
    """
    from_worker, to_run = os.pipe()
    try:
        process = _started(to_run, lock)
    except BaseException:
        os.close(from_worker)
        raise
    finally:
        os.close(to_run)
    with process, os.fdopen(from_worker, encoding="utf-8") as lines:
        try:
            _tell(process, job)
            answer = _answer(lines, on_progress)
        finally:
            _stdin(process).close()  # it ends with its stdin
            try:
                process.wait(_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
    if answer is None:
        raise CycleError(f"{job.signature}, {job.task}: {_how(process.returncode)}; start the run again")
    if "failed" in answer:
        line = str(answer["failed"])
        raise UsageError(line) if answer.get("is_usage") else CycleError(f"{job.signature}, {job.task}: {line}")
    return answer["result"]


def _started(descriptor: int, lock: int) -> "subprocess.Popen[bytes]":
    shows = os.environ.get("HEADRACE_TRACEBACK", "0") not in {"", "0"}
    return subprocess.Popen(  # noqa: S603  # ourselves
        [sys.executable, "-P", "-m", "headrace_consumers.cycle.worker", str(descriptor)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=None if shows else subprocess.DEVNULL,
        pass_fds=(descriptor, lock),
        env={**os.environ, "TQDM_DISABLE": "1", "HEADRACE_TELEMETRY__ENABLED": "false"},
        start_new_session=True,  # Ctrl-C is for the run, which then ends the worker
    )


def _tell(process: "subprocess.Popen[bytes]", job: Job) -> None:
    stdin = _stdin(process)
    try:
        stdin.write(job.model_dump_json().encode() + b"\n")
        stdin.flush()
    except BrokenPipeError:
        pass  # it is dead already: its exit code tells more


def _answer(lines: IO[str], on_progress: OnProgress) -> dict[str, Any] | None:
    for line in lines:
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:  # the end of one that was killed
            continue
        if "progress" in told:
            on_progress(told["progress"])
        else:
            return told
    return None


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"the worker was ended by {name}{hint}"
    return f"the worker ended with exit code {code} and no answer (HEADRACE_TRACEBACK=1 shows what it wrote)"


def _stdin(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert process.stdin is not None  # noqa: S101  # it was asked for
    return process.stdin
