"""A program on a pseudo-terminal: what its screen shows, its size, its keys."""

import fcntl
import os
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence

__all__ = ["Terminal"]

ENTERS, LEAVES, HOME = "\x1b[?1049h", "\x1b[?1049l", "\x1b[H"
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs a program that draws whole screens, from the upper left corner on.

    Args:
        command: the program.
        environ: its environment variables.
        width: columns.
        height: lines.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], *, width: int, height: int) -> None:
        self._ours, theirs = os.openpty()
        self.resize(width, height)
        self._before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self._shown = b""
        kept = {name: value for name, value in environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env={**kept, "TERM": "xterm"}, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def screen(self) -> list[str]:
        """The lines of the screen that was drawn last, whole; none: nothing was drawn on it."""
        drawn = self.text.rpartition(ENTERS)[2].split(HOME)[1:]
        return _SEQUENCE.sub("", drawn[-1]).split("\r\n") if drawn else []

    @property
    def text(self) -> str:
        """All that was ever written."""
        return self._shown.decode(errors="replace")

    @property
    def is_as_before(self) -> bool:
        """Whether its settings are those from before the program."""
        return termios.tcgetattr(self._theirs) == self._before

    def resize(self, width: int, height: int) -> None:
        """Change its size, as somebody does who drags a window's corner."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def close(self) -> None:
        """End the program if it is still there."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._theirs)
        self._reader.join(10)
        os.close(self._ours)

    def _read(self) -> None:
        try:
            while more := os.read(self._ours, 65_536):
                self._shown += more
        except OSError:  # nobody writes to it any more
            pass
