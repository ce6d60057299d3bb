"""`headrace consume dataset`: the deployed consumer."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath, LogFormat, LogFormatOption, LogLevel, LogLevelOption
from headrace_consumers.cli.present import count, figures, print_json, print_lines, shares

if TYPE_CHECKING:
    from headrace_consumers.dataset import Tally

__all__ = ["app", "stop_on_signals", "tally_lines"]

app = typer.Typer(help="Run a consumer.", rich_markup_mode=None)

_LOGGED: Final = ("consumed", "kept", "duplicates", "outcomes", "rejected", "dead_letters", "commits")
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@app.callback()
def _group() -> None:
    """Keep `dataset` a subcommand, though it is the only one yet."""


@app.command(epilog="Example: headrace consume dataset --config headrace.json --log-format json")
def dataset(
    *,
    idle_exit_s: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", show_default=False, help="End when nothing came for so long."),
    ] = None,
    accept_gap: Annotated[
        bool,
        typer.Option("--accept-gap", help="Go on behind records that Kafka no longer holds; the table records it."),
    ] = False,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.auto,
    log_level: LogLevelOption = LogLevel.info,
) -> None:
    """Filter and deduplicate the interactions on Kafka into the Delta table, each exactly once.

    Runs until SIGTERM or Ctrl-C, which finish the batch at hand; a second one ends at once, which is safe too.
    """
    from headrace.config import load
    from headrace_consumers import logs, topics

    config = load(config_path)
    topics.bootstrap_servers(config)  # a mistake of the configuration, told before anything is opened
    logs.configure(log_format.value, log_level.value)
    stop = threading.Event()
    # A batch is too small to be shared out: with more threads polars takes more processor time, and no less time.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    # Imported late: it brings polars, deltalake and DuckDB.
    from headrace_consumers.dataset import run

    with stop_on_signals(stop), _progress() as on_progress:
        tally = run(config, stop=stop, idle_exit_s=idle_exit_s, on_progress=on_progress, accept_gap=accept_gap)
    if as_json:
        print_json(tally.as_dict())
    else:
        print_lines(tally_lines(tally.as_dict()))


def tally_lines(tally: dict[str, Any]) -> list[str]:
    """Return the consumer's counts as aligned lines."""
    rejected, letters, unknown = tally["rejected"], tally["dead_letters"], tally["unknown"]
    return figures(
        [
            ("consumed", count(tally["consumed"]), ""),
            ("kept", count(tally["kept"]), ""),
            ("duplicates", count(tally["duplicates"]), ""),
            ("rejected", count(sum(rejected.values())), shares(rejected)),
            ("outcomes", count(tally["outcomes"]), ""),
            ("dead letters", count(sum(letters.values())), shares(letters)),
            ("unknown", count(sum(unknown.values())), shares(unknown)),
            ("commits", count(tally["commits"]), ""),
        ]
    )


@contextmanager
def stop_on_signals(stop: threading.Event, exit_now: Callable[[int], object] = os._exit) -> Iterator[None]:
    """Set `stop` on the first SIGTERM or SIGINT; leave at once on the second.

    Args:
        stop: what the work looks at.
        exit_now: ends the process with this exit code; a parameter for tests.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            exit_now(128 + number)
        stop.set()

    former = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _progress() -> "Iterator[Callable[[Tally], None]]":
    """Yield what shows progress: one live line on a terminal, a log line a commit elsewhere."""
    if not sys.stderr.isatty():
        import structlog

        yield _log_changes(structlog.stdlib.get_logger("headrace.dataset"))
        return
    from rich.console import Console
    from rich.status import Status

    with Status("waiting for the first record", console=Console(stderr=True)) as status:
        yield lambda tally: status.update(_one_line(tally.as_dict()))


def _log_changes(log: Any) -> "Callable[[Tally], None]":
    """Return what logs the counts when they have changed, so once a commit and never while idle."""
    last: dict[str, Any] = {}

    def on_progress(tally: "Tally") -> None:
        figures = {name: tally.as_dict()[name] for name in _LOGGED}
        if figures != last and figures["commits"]:
            last.update(figures)
            log.info("progress", **figures)

    return on_progress


def _one_line(tally: dict[str, Any]) -> str:
    parts = [("consumed", tally["consumed"]), ("kept", tally["kept"]), ("duplicates", tally["duplicates"])]
    parts += [("rejected", sum(tally["rejected"].values())), ("dead letters", sum(tally["dead_letters"].values()))]
    return "   ".join(f"{name} {count(number)}" for name, number in parts)
