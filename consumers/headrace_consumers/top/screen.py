"""The terminal: its other screen while it lasts, and its keys one by one. Left as it was found, however it ends."""

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TextIO, TypeAlias

from rich.console import Console, Group
from rich.control import Control
from rich.text import Text

__all__ = ["Draw", "live"]

Draw: TypeAlias = Callable[[int, int], Sequence[Text]]
"""Width and height -> lines."""

_TURN_S: Final = 0.25
"""How soon a key, another size or a new page is seen."""
_QUITS: Final = frozenset(b"qQ")
_VSUSP: Final = 6, termios.VSUSP


def live(console: Console, draw: Draw, version: Callable[[], object], keys: TextIO | None = None) -> None:
    """Show lines until somebody types `q`.

    Args:
        console: a terminal.
        draw: gives the lines.
        keys: where keys come from; by default from stdin.
        version: another value than before says that there is something new to draw.
    """
    with _keys(keys or sys.stdin) as has_quit, console.screen(hide_cursor=True) as screen:
        drawn: object = None
        while True:
            now = (version(), console.size)
            if now != drawn:
                width, height = console.size
                # Else a line that no longer reaches the end of a wider screen is gone on with.
                console.control(Control.home())
                screen.update(Group(*draw(width, height)))
                drawn = now
            if has_quit(_TURN_S):
                return


@contextlib.contextmanager
def _keys(keys: TextIO) -> Iterator[Callable[[float], bool]]:
    """Yield what waits so many seconds for a key and tells whether it was one that quits.

    Keys come at once and are not shown. Ctrl-Z does nothing: a program that is stopped leaves its screen behind.
    """
    if not keys.isatty():
        yield _no_key
        return
    source = keys.fileno()
    former = termios.tcgetattr(source)
    is_open = True

    def has_quit(wait_s: float) -> bool:
        nonlocal is_open
        if not is_open:
            return _no_key(wait_s)
        readable, _, _ = select.select([source], [], [], wait_s)
        if not readable:
            return False
        typed = os.read(source, 1024)
        is_open = bool(typed)
        return bool(_QUITS.intersection(typed))

    try:
        tty.setcbreak(source, termios.TCSANOW)
        quiet = termios.tcgetattr(source)
        place, character = _VSUSP
        quiet[place][character] = b"\0"
        termios.tcsetattr(source, termios.TCSANOW, quiet)
        yield has_quit
    finally:
        # What was typed meanwhile is not for the shell.
        termios.tcsetattr(source, termios.TCSAFLUSH, former)


def _no_key(wait_s: float) -> bool:
    select.select([], [], [], wait_s)
    return False
