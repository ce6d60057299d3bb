"""A terminal is left as it was found, on a pseudo-terminal."""

import os
import termios
import threading

import pytest
from rich.console import Console
from rich.text import Text

from headrace_consumers.top.screen import live

ENTERS, LEAVES = b"\x1b[?1049h", b"\x1b[?1049l"


class _Terminal:
    def __init__(self):
        self.ours, self._theirs = os.openpty()
        self.keys = os.fdopen(os.dup(self._theirs), "r")
        self.file = os.fdopen(self._theirs, "w")
        self.shown = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def console(self):
        return Console(file=self.file, force_terminal=True, width=40, height=5, _environ={"TERM": "xterm"})

    def settings(self):
        return termios.tcgetattr(self.keys)

    def _read(self):
        # A pseudo-terminal that nobody writes to any more ends with an error.
        try:
            while more := os.read(self.ours, 4096):
                self.shown += more
        except OSError:
            pass

    def close(self):
        self.keys.close()
        self.file.close()
        self._reader.join(10)
        os.close(self.ours)
        return self.shown


@pytest.fixture
def terminal():
    return _Terminal()


def test_q_ends_it_and_the_terminal_is_as_before(terminal):
    before, sizes, during = terminal.settings(), [], []

    def draw(width, height):
        sizes.append((width, height))
        during.append(terminal.settings())
        os.write(terminal.ours, b"x" if len(sizes) == 1 else b"q")
        return [Text(f"drawn {len(sizes)}")]

    versions = iter(range(100))
    live(terminal.console(), draw, lambda: next(versions), terminal.keys)
    assert terminal.settings() == before
    assert not during[0][3] & (termios.ICANON | termios.ECHO)
    assert during[0][3] & termios.ISIG  # Ctrl-C is a signal as ever
    assert during[0][6][termios.VSUSP] == b"\0"
    shown = terminal.close()
    assert shown.startswith(ENTERS)
    assert shown.index(b"drawn 1") < shown.index(b"drawn 2") < shown.index(LEAVES)
    assert sizes == [(40, 5)] * 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_however_it_ends_the_terminal_is_as_before(terminal, error):
    before = terminal.settings()

    def draw(_width, _height):
        raise error

    with pytest.raises(error):
        live(terminal.console(), draw, lambda: 0, terminal.keys)
    assert terminal.settings() == before
    assert LEAVES in terminal.close()


def test_where_keys_come_from_no_terminal_they_are_left_alone(terminal):
    turns = iter(range(2))

    def version():
        if (turn := next(turns, None)) is None:
            raise KeyboardInterrupt
        return turn

    with open(os.devnull) as nothing, pytest.raises(KeyboardInterrupt):  # noqa: PTH123
        live(terminal.console(), lambda *_: [Text("drawn")], version, nothing)
    assert terminal.close().count(b"drawn") == 2
