"""Sketches of many inputs by several processes: to read JSON and to hash words, one has one core's speed at most.

slices --in turn--> workers' standard inputs, by a thread each  -->  their answers, in the order of the slices
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle
from typing import IO, Final, NamedTuple, TypeVar

import pyarrow as pa

from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.sketches.banding import Bands
from headrace_consumers.versions.sketches.sketching import Sketcher
from headrace_consumers.versions.sketches.worker import bands_of, inputs_schema

__all__ = ["sketched_by_processes"]

_WORKER: Final = "headrace_consumers.versions.sketches.worker"
_LAST_WORDS: Final = 300
_ENDING_S: Final = 5.0

_Slice = TypeVar("_Slice")


def sketched_by_processes(
    slices: Sequence[_Slice], inputs_of: Callable[[_Slice], pa.LargeStringArray], sketcher: Sketcher, processes: int
) -> Iterator[tuple[list[int], Bands]]:
    """Yield what `Sketcher.sketch` returns of each slice, in their order.

    Args:
        slices: any.
        inputs_of: returns the inputs of one, JSON objects; called by several threads.
        sketcher: whose sketches they are.
        processes: how many.

    Raises:
        VersionsError: a process has ended early.
    """
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(processes))
        workers = [stack.enter_context(_worker()) for _ in range(processes)]
        fed = [
            threads.submit(_feed, worker, slices[number::processes], inputs_of, sketcher)
            for number, worker in enumerate(workers)
        ]
        answers = [_answers(worker, its) for worker, its in zip(workers, fed, strict=True)]
        for _, answer in zip(slices, cycle(answers), strict=False):
            yield next(answer)


class _Worker(NamedTuple):
    process: "subprocess.Popen[bytes]"
    said: IO[bytes]


@contextmanager
def _worker() -> Iterator[_Worker]:
    command = [sys.executable, "-P", "-m", _WORKER]  # -P: nothing of the folder where the cut is run
    with tempfile.TemporaryFile() as said:  # no pipe: nobody would empty it
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)  # noqa: S603  # our own
        except OSError as error:
            raise VersionsError(f"near duplicates: no process can be started: {error.strerror}") from None
        with process:
            try:
                yield _Worker(process, said)
            except BaseException:
                process.kill()
                with suppress(OSError):  # what was not sent yet
                    _of(process.stdin).close()
                raise


def _feed(
    worker: _Worker,
    slices: Sequence[_Slice],
    inputs_of: Callable[[_Slice], pa.LargeStringArray],
    sketcher: Sketcher,
) -> None:
    schema = inputs_schema(sketcher)
    try:
        with _of(worker.process.stdin) as pipe, pa.ipc.new_stream(pipe, schema) as writer:
            for each in slices:
                writer.write_batch(pa.record_batch([inputs_of(each)], schema=schema))
    except BrokenPipeError:
        pass  # who waits for its answers says why


def _answers(worker: _Worker, fed: "Future[None]") -> Iterator[tuple[list[int], Bands]]:
    try:
        with pa.ipc.open_stream(_of(worker.process.stdout)) as reader:
            while True:
                yield bands_of(reader.read_next_batch())
    except (pa.ArrowException, OSError, StopIteration):
        try:
            worker.process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
        fed.result()  # what went wrong with a slice
        worker.said.seek(0)
        said = worker.said.read().decode(errors="replace").strip().splitlines()
        raise VersionsError(
            f"near duplicates: a process that sketches inputs has ended early, with exit code {worker.process.wait()}"
            f"{f' ({said[-1][:_LAST_WORDS]})' if said else ''}; is there memory enough?"
        ) from None


def _of(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101  # for mypy: it is a pipe
    return stream
