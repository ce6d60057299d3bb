"""`headrace ui`: tables, versions, rollouts, runs, ledger and dead letters as a read-only web page."""

import sys
import threading
from typing import Annotated, Final

import typer

from headrace_consumers.cli.options import ConfigPath, LogFormat, LogFormatOption, LogLevel, LogLevelOption
from headrace_consumers.cli.present import print_lines
from headrace_consumers.cli.signals import stop_on_signals

__all__ = ["EXAMPLE", "command"]

EXAMPLE: Final = "Example: headrace ui --config headrace.json"
PORT: Final = 9470


def command(
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = PORT,
    host: Annotated[
        str, typer.Option(help="The address to listen on; another than this machine's own needs web.token.")
    ] = "127.0.0.1",
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            metavar="NAME",
            show_default=False,
            help="A name by which browsers ask for it, behind a proxy, say; may be repeated.",
        ),
    ] = None,
    config_path: ConfigPath = None,
    log_format: LogFormatOption = LogFormat.auto,
    log_level: LogLevelOption = LogLevel.info,
) -> None:
    """Show signatures, versions, examples, rollouts, the cycle's runs, ledger, dead letters in a browser. Reads only.

    Runs until SIGTERM or Ctrl-C. The first line on stdout is the page's address.
    """
    from headrace.config import load
    from headrace_consumers import logs
    from headrace_consumers.ui.run import run

    config = load(config_path)
    logs.configure(log_format.value, log_level.value)
    stop = threading.Event()

    def tell(address: str, notes: list[str]) -> None:
        print_lines([address])
        sys.stdout.flush()
        for note in notes:
            sys.stderr.write(f"note: {note}\n")

    with stop_on_signals(stop):
        run(config, config_path, host=host, port=port, names=names or [], stop=stop, on_listening=tell)
