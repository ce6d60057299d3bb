"""Child processes whose output arrives line by line in one queue, and which never outlive the demo."""

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Final, Literal, Self, TypeAlias

if TYPE_CHECKING:
    import queue

__all__ = ["Child", "Line"]

Stream: TypeAlias = Literal["stdout", "stderr"]
_GRACE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a child's output; `text` is None when the stream has ended."""

    child: str
    stream: Stream
    text: str | None


class Child:
    """A process.

    Args:
        name: for people.
        argv: the program and its arguments.
        environ: all of its environment variables.
        log_path: where all of its output is kept.
        lines: where its lines go.
    """

    def __init__(
        self, name: str, argv: Sequence[str], environ: Mapping[str, str], log_path: Path, lines: "queue.Queue[Line]"
    ) -> None:
        self.name = name
        self.log_path = log_path
        self.last_lines: deque[str] = deque(maxlen=20)
        self._lines = lines
        self._log = log_path.open("a", encoding="utf-8")
        self._log_lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603  # our own program
            list(argv),
            env=dict(environ),
            stdin=subprocess.PIPE,  # ends with this process, however that ends; the child may watch it
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,  # Ctrl-C reaches the demo, and the demo ends its children in order
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream, pipe), daemon=True)
            for stream, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def why(self) -> str:
        """Return the line that best explains why it ended."""
        said = [line for line in self.last_lines if line.startswith("headrace: ")] or list(self.last_lines)[-1:]
        return said[-1].removeprefix("headrace: ") if said else "it said nothing"

    def tell(self, line: str) -> None:
        """Write a line to its stdin; one that has ended hears nothing."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self.exit_code is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, grace_s: float = _GRACE_S) -> None:
        """End it: SIGTERM, and SIGKILL for its whole process group when it is still there after `grace_s` seconds."""
        self.ask_to_stop()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for reader in self._readers:
            reader.join(grace_s)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self, stream: Stream, pipe: IO[str]) -> None:
        for line in pipe:
            text = line.rstrip("\n")
            with self._log_lock:
                self._log.write(line)
                self._log.flush()
            if stream == "stderr":
                self.last_lines.append(text)
            self._lines.put(Line(self.name, stream, text))
        self._lines.put(Line(self.name, stream, None))
