"""`headrace top` from end to end."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from types import FrameType
from typing import Final

from rich.console import Console
from rich.text import Text

from headrace.config import Config
from headrace.errors import HeadraceError
from headrace_consumers.top.draw import draw
from headrace_consumers.top.fetch import fetch
from headrace_consumers.top.history import History
from headrace_consumers.top.rows import Row
from headrace_consumers.top.screen import live
from headrace_consumers.top.targets import Target
from headrace_consumers.top.view import view_of
from headrace_consumers.top.watching import Fetch, Watcher, look_at_all

__all__ = ["NoConsumerError", "once", "watch"]

_TIMEOUT_S: Final = 3.0
_PIPE_WIDTH: Final = 120
"""Where nobody says how wide a line may be."""


class NoConsumerError(HeadraceError):
    """Not one consumer can be reached."""


def once(config: Config, targets: Sequence[Target], *, over_s: float, notes: Sequence[Row]) -> None:
    """Print one snapshot, of two looks `over_s` apart.

    Raises:
        NoConsumerError: see there.
    """
    watchers = _first_look(config, targets, over_s)
    time.sleep(over_s)
    look_at_all(watchers)
    _print(config, watchers, notes)


def watch(config: Config, targets: Sequence[Target], *, interval_s: float, over_s: float, notes: Sequence[Row]) -> None:
    """Show the figures until `q`, Ctrl-C or SIGTERM; where there is no terminal to draw on, one snapshot after another.

    Raises:
        NoConsumerError: see there.
    """
    watchers = _first_look(config, targets, over_s)
    console = Console(highlight=False)
    with _ends_well():
        if not console.is_terminal or console.is_dumb_terminal:
            while True:
                time.sleep(interval_s)
                look_at_all(watchers)
                _print(config, watchers, notes)
                sys.stdout.write("\n")
                sys.stdout.flush()
        for watcher in watchers:
            watcher.start(interval_s)
        live(console, partial(_lines, config, watchers, notes), lambda: _looks(watchers))


def _first_look(config: Config, targets: Sequence[Target], over_s: float) -> list[Watcher]:
    read: Fetch = partial(fetch, timeout_s=_TIMEOUT_S)
    least_s = min(over_s, config.telemetry.statistics_interval_s)
    watchers = [Watcher(target, read, time.monotonic, History(over_s, least_s)) for target in targets]
    look_at_all(watchers)
    if all(watcher.problem for watcher in watchers):
        problems = "; ".join(f"{watcher.address} {watcher.problem}" for watcher in watchers)
        raise NoConsumerError(
            f"no consumer to look at: {problems}; start headrace consume metrics, or give --url HOST:PORT of one"
        )
    return watchers


def _looks(watchers: Sequence[Watcher]) -> int:
    return sum(watcher.looks for watcher in watchers)


def _lines(
    config: Config, watchers: Sequence[Watcher], notes: Sequence[Row], width: int, height: int | None
) -> list[Text]:
    now = datetime.now(UTC)
    view = view_of([watcher.source() for watcher in watchers], config, now.timestamp(), notes=notes)
    keys = "" if height is None else "   q quits"
    return draw(view, width=width, height=height, title=f"headrace top   {now:%H:%M:%S} UTC{keys}")


def _print(config: Config, watchers: Sequence[Watcher], notes: Sequence[Row]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    for line in _lines(config, watchers, notes, console.width, None):
        console.print(line, no_wrap=True, crop=False, overflow="ignore")


@contextlib.contextmanager
def _ends_well() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end it as `q` does, the terminal restored on the way."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former: Callable[[int, FrameType | None], object] | int | None = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, former)
