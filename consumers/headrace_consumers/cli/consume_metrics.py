"""`headrace consume metrics`: statistics become a page that Prometheus scrapes."""

import threading
from typing import Annotated, Final

import typer

from headrace_consumers.cli.options import ConfigPath, LogFormat, LogFormatOption, LogLevel, LogLevelOption
from headrace_consumers.cli.signals import stop_on_signals

__all__ = ["EXAMPLE", "command"]

EXAMPLE: Final = "Example: headrace consume metrics --port 9464 --log-format json"


def command(
    *,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, show_default=False, help="Instead of metrics.port; 0 takes a free one."),
    ] = None,
    host: Annotated[str | None, typer.Option(show_default=False, help="Instead of metrics.host.")] = None,
    idle_exit_s: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", show_default=False, help="End when nothing came for so long."),
    ] = None,
    config_path: ConfigPath = None,
    log_format: LogFormatOption = LogFormat.auto,
    log_level: LogLevelOption = LogLevel.info,
) -> None:
    """Serve the metrics of all calls at /metrics, from the statistics on Kafka, and /healthz and /readyz.

    Runs until SIGTERM or Ctrl-C. However it ends, counting goes on where the last scrape was.
    """
    from headrace.config import load
    from headrace_consumers import logs, topics

    config = load(config_path)
    topics.bootstrap_servers(config)
    changes = {name: value for name, value in (("port", port), ("host", host)) if value is not None}
    config = config.model_copy(update={"metrics": config.metrics.model_copy(update=changes)})
    logs.configure(log_format.value, log_level.value)
    stop = threading.Event()
    from headrace_consumers.metrics.run import run

    with stop_on_signals(stop):
        run(config, stop=stop, idle_exit_s=idle_exit_s)
