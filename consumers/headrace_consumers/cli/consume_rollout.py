"""`headrace consume rollout`: compares the arms of rollouts, and decides."""

import threading
from typing import Annotated, Any, Final

import typer

from headrace_consumers.cli.options import ConfigPath, LogFormat, LogFormatOption, LogLevel, LogLevelOption
from headrace_consumers.cli.signals import stop_on_signals

__all__ = ["EXAMPLE", "command"]

EXAMPLE: Final = "Example: headrace consume rollout --port 9466 --log-format json"


def command(
    *,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, show_default=False, help="Instead of rollout.port; 0 takes a free one."),
    ] = None,
    host: Annotated[str | None, typer.Option(show_default=False, help="Instead of rollout.host.")] = None,
    sampling_budget: Annotated[
        float | None,
        typer.Option(
            "--sampling-budget",
            min=0.001,
            metavar="RECORDS",
            show_default=False,
            help="Instead of rollout.sampling.budget_per_s: adapt sampling rates within so many records a second.",
        ),
    ] = None,
    config_path: ConfigPath = None,
    log_format: LogFormatOption = LogFormat.auto,
    log_level: LogLevelOption = LogLevel.info,
) -> None:
    """Compare candidates with their baselines by the statistics on Kafka; promote, hold, roll back or halt.

    Runs until SIGTERM or Ctrl-C. However it ends, nothing is lost and nothing is decided twice. Of several the one that
    was started last decides; the others stand by.
    """
    from headrace.config import load
    from headrace_consumers import logs, topics

    config = load(config_path)
    topics.bootstrap_servers(config)
    changes: dict[str, Any] = {name: value for name, value in (("port", port), ("host", host)) if value is not None}
    if sampling_budget is not None:
        changes["sampling"] = config.rollout.sampling.model_copy(update={"budget_per_s": sampling_budget})
    config = config.model_copy(update={"rollout": config.rollout.model_copy(update=changes)})
    logs.configure(log_format.value, log_level.value)
    stop = threading.Event()
    from headrace_consumers.rollout.run import run

    with stop_on_signals(stop):
        run(config, stop=stop)
