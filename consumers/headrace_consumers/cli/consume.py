"""`headrace consume dataset|feedback`: the deployed consumers."""

import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath, LogFormat, LogFormatOption, LogLevel, LogLevelOption
from headrace_consumers.cli.present import count, figures, print_json, print_lines, shares
from headrace_consumers.cli.rebuilding import rebuilding
from headrace_consumers.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from headrace_consumers.dataset import Tally
    from headrace_consumers.dataset.status import Status

__all__ = ["Progress", "app", "status_line", "tally_lines"]

app = typer.Typer(help="Run a consumer.", rich_markup_mode=None)

_IdleExit = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", show_default=False, help="End when nothing came for so long.")
]
_AcceptGap = Annotated[
    bool, typer.Option("--accept-gap", help="Go on behind records that Kafka no longer holds; the table records it.")
]
_LOGGED: Final = ("consumed", "kept", "duplicates", "outcomes", "rejected", "dead_letters", "commits")
_IN_LINE: Final = ("consumed", "kept", "duplicates", "rejected", "dead_letters")
_OF_FEEDBACK: Final = ("consumed", "kept", "rejected", "dead_letters", "commits")
_ALL: Final = (*_LOGGED, "unknown")


@app.command(epilog="Example: headrace consume dataset --config headrace.json --log-format json")
def dataset(
    *,
    idle_exit_s: _IdleExit = None,
    accept_gap: _AcceptGap = False,
    rebuild: Annotated[
        str | None,
        typer.Option(
            "--rebuild",
            metavar="NAME",
            show_default=False,
            help="Build the table anew from what Kafka holds, beside the live one, as <dataset.path>-NAME.",
        ),
    ] = None,
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
    live = config
    if rebuild is not None:
        config = rebuilding(config, rebuild)
    topics.bootstrap_servers(config)  # a mistake of the configuration, told before anything is opened
    logs.configure(log_format.value, log_level.value)
    stop = threading.Event()
    _one_thread()
    # Imported late: it brings polars, deltalake and DuckDB.
    from headrace_consumers.dataset import run
    from headrace_consumers.dataset.rebuild import refuse_whom_it_refuses

    if config is not live:
        refuse_whom_it_refuses(Path(live.dataset.path), Path(config.dataset.path))
    with stop_on_signals(stop), _shown() as progress:
        tally = run(
            config,
            stop=stop,
            idle_exit_s=idle_exit_s,
            on_progress=progress.on_progress,
            on_status=progress.on_status,
            accept_gap=accept_gap,
        )
    if as_json:
        print_json(tally.as_dict())
    else:
        print_lines(tally_lines(tally.as_dict()))
        if rebuild is not None:
            print_lines([f"table: {config.dataset.path}; to switch to it, make that dataset.path and start again"])


@app.command(epilog="Example: headrace consume feedback --config headrace.json --log-format json")
def feedback(
    *,
    idle_exit_s: _IdleExit = None,
    accept_gap: _AcceptGap = False,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.auto,
    log_level: LogLevelOption = LogLevel.info,
) -> None:
    """Write the feedback on Kafka into a Delta table of its own, <dataset.path>-feedback, each exactly once.

    Runs until SIGTERM or Ctrl-C, which finish the batch at hand; a second one ends at once, which is safe too.
    """
    from headrace.config import load
    from headrace_consumers import logs, topics

    config = load(config_path)
    topics.bootstrap_servers(config)
    logs.configure(log_format.value, log_level.value)
    stop = threading.Event()
    _one_thread()
    from headrace_consumers.dataset.feedback.run import run
    from headrace_consumers.dataset.intake import Control

    with stop_on_signals(stop), _shown(_OF_FEEDBACK) as progress:
        control = Control(
            stop=stop,
            idle_exit_s=idle_exit_s,
            on_progress=progress.on_progress,
            on_status=progress.on_status,
            accept_gap=accept_gap,
        )
        tally = run(config, control).as_dict()
    if as_json:
        print_json({name: tally[name] for name in _OF_FEEDBACK})
    else:
        print_lines(tally_lines(tally, _OF_FEEDBACK))


def _one_thread() -> None:
    """A batch is too small to be shared out: with more threads polars takes more processor time, and no less time."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")


def tally_lines(tally: dict[str, Any], names: "Collection[str]" = _ALL) -> list[str]:
    """Return the consumer's counts of these names as aligned lines."""
    rejected, letters, unknown = tally["rejected"], tally["dead_letters"], tally["unknown"]
    rows = [
        ("consumed", count(tally["consumed"]), ""),
        ("kept", count(tally["kept"]), ""),
        ("duplicates", count(tally["duplicates"]), ""),
        ("rejected", count(sum(rejected.values())), shares(rejected)),
        ("outcomes", count(tally["outcomes"]), ""),
        ("dead letters", count(sum(letters.values())), shares(letters)),
        ("unknown", count(sum(unknown.values())), shares(unknown)),
        ("commits", count(tally["commits"]), ""),
    ]
    return figures([row for row in rows if row[0].replace(" ", "_") in names])


class Progress:
    """Shows the counts and the lag.

    Args:
        show: takes the counts that have changed, and the lag; None: not known yet.
        on_each: also when nothing but the lag has changed.
        names: of the counts.
    """

    def __init__(
        self,
        show: "Callable[[dict[str, Any], int | None], None]",
        *,
        on_each: bool,
        names: "Collection[str]" = _LOGGED,
    ) -> None:
        self._names = names
        self._show = show
        self._on_each = on_each
        self._lag: int | None = None
        self._last: tuple[dict[str, Any], int | None] = ({}, None)

    def on_status(self, status: "Status") -> None:
        """Take in how the loop stands."""
        self._lag = status.lag if status.has_joined else None

    def on_progress(self, tally: "Tally") -> None:
        """Show it where it has changed."""
        counts = {name: tally.as_dict()[name] for name in self._names}
        counts_before, lag_before = self._last
        if counts != counts_before or (self._on_each and self._lag != lag_before):
            self._last = (counts, self._lag)
            self._show(counts, self._lag)


@contextmanager
def _shown(names: "Collection[str]" = _LOGGED) -> "Iterator[Progress]":
    """Yield what shows progress: one live line on a terminal, a log line a commit elsewhere."""
    if not sys.stderr.isatty():
        import structlog

        log = structlog.stdlib.get_logger("headrace.dataset")

        def write(counts: dict[str, Any], lag: int | None) -> None:
            if counts["commits"]:
                log.info("progress", **counts, lag=lag)

        yield Progress(write, on_each=False, names=names)
        return
    from rich.console import Console
    from rich.status import Status as Line

    with Line("waiting for the first record", console=Console(stderr=True)) as line:
        yield Progress(lambda counts, lag: line.update(status_line(counts, lag)), on_each=True, names=names)


def status_line(counts: dict[str, Any], lag: int | None) -> str:
    """Return the counts and the lag, None where it is not known, as one line."""
    shown = [
        f"{name.replace('_', ' ')} {count(sum(of.values()) if isinstance(of, dict) else of)}"
        for name in _IN_LINE
        if (of := counts.get(name)) is not None
    ]
    return "   ".join([*shown, "joining the group" if lag is None else f"lag {count(lag)}"])
