"""`headrace consume dataset|feedback|metrics|rollout`: the deployed consumers; the last two in consume_*.py."""

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from headrace_consumers.cli import consume_metrics, consume_rollout
from headrace_consumers.cli.consumer_display import LOGGED, OF_FEEDBACK, shown, tally_lines
from headrace_consumers.cli.options import AsJson, ConfigPath, LogFormat, LogFormatOption, LogLevel, LogLevelOption
from headrace_consumers.cli.present import print_json, print_lines
from headrace_consumers.cli.rebuilding import rebuilding, switch_from, switch_lines
from headrace_consumers.cli.signals import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from headrace.config import Config
    from headrace_consumers.dataset.intake import Control

__all__ = ["app"]

app = typer.Typer(help="Run a consumer.", rich_markup_mode=None)
app.command("metrics", epilog=consume_metrics.EXAMPLE)(consume_metrics.command)
app.command("rollout", epilog=consume_rollout.EXAMPLE)(consume_rollout.command)

_IdleExit = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", show_default=False, help="End when nothing came for so long.")
]
_AcceptGap = Annotated[
    bool, typer.Option("--accept-gap", help="Go on behind records that Kafka no longer holds; the table records it.")
]


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

    live = load(config_path)
    config = live if rebuild is None else rebuilding(live, rebuild)
    with _control(config, LOGGED, (log_format, log_level), idle_exit_s=idle_exit_s, accept_gap=accept_gap) as control:
        from headrace_consumers.dataset import run
        from headrace_consumers.dataset.delta.store_at import store_at, store_of
        from headrace_consumers.dataset.rebuild import refuse_in_rebuild
        from headrace_consumers.dataset.side_tables import feedback_path

        if config is not live:
            said = store_at(feedback_path(live.dataset), live.dataset.storage_options)
            refuse_in_rebuild(store_of(live.dataset), store_of(config.dataset), feedback=said)
        tally = run(config, control)
    if as_json:
        told = {} if rebuild is None else {"switch": switch_from(live, config)}
        print_json({**tally.as_dict(), **told})
    else:
        print_lines(tally_lines(tally.as_dict()))
        if rebuild is not None:
            print_lines(switch_lines(live, config))


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
    """Write the feedback on Kafka into a Delta table of its own, dataset.feedback_path, each exactly once.

    Runs until SIGTERM or Ctrl-C, which finish the batch at hand; a second one ends at once, which is safe too.
    """
    from headrace.config import load

    config = load(config_path)
    with _control(
        config, OF_FEEDBACK, (log_format, log_level), idle_exit_s=idle_exit_s, accept_gap=accept_gap
    ) as control:
        from headrace_consumers.dataset.feedback.run import run

        tally = run(config, control).as_dict()
    if as_json:
        print_json({name: tally[name] for name in OF_FEEDBACK})
    else:
        print_lines(tally_lines(tally, OF_FEEDBACK))


@contextmanager
def _control(
    config: "Config",
    shown_names: "Collection[str]",
    logging: tuple[LogFormat, LogLevel],
    *,
    idle_exit_s: float | None,
    accept_gap: bool,
) -> "Iterator[Control]":
    """Set up what every consumer has, its log, its signals and what it shows; yield what steers it.

    Raises:
        ConfigError: no broker is configured. It is told before anything is opened.
    """
    from headrace_consumers import logs, topics

    topics.bootstrap_servers(config)
    log_format, log_level = logging
    logs.configure(log_format.value, log_level.value)
    # A batch is too small to be shared out: with more threads polars takes more processor time, and no less time.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    # Imported late: it brings polars, deltalake and DuckDB.
    from headrace_consumers.dataset.intake import Control
    from headrace_consumers.garbage import calm_collector

    calm_collector()
    stop = threading.Event()
    with stop_on_signals(stop), shown(shown_names) as progress:
        yield Control(
            stop=stop,
            idle_exit_s=idle_exit_s,
            on_progress=progress.on_progress,
            on_status=progress.on_status,
            accept_gap=accept_gap,
        )
