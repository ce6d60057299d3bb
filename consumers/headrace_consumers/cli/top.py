"""`headrace top`: the consumers' figures in a terminal."""

from typing import Annotated, Final

import typer

from headrace_consumers.cli.options import ConfigPath

__all__ = ["EXAMPLE", "command"]

EXAMPLE: Final = "Example: headrace top --config headrace.json; headrace top --url 127.0.0.1:9464 --once"
_OVER_S: Final = 60.0
_LEAST_S: Final = 1.0


def command(
    *,
    url: Annotated[
        list[str] | None,
        typer.Option(
            "--url",
            metavar="HOST:PORT",
            envvar="HEADRACE_TOP_URL",
            show_default=False,
            help="A consumer, or the URL of its metrics; may be repeated. Else those of the configuration.",
        ),
    ] = None,
    is_once: Annotated[bool, typer.Option("--once", help="Print one snapshot and end.")] = False,
    interval_s: Annotated[
        float, typer.Option("--interval", min=0.5, metavar="SECONDS", help="Look again after so long.")
    ] = 2.0,
    over_s: Annotated[
        float | None,
        typer.Option(
            "--over",
            min=_LEAST_S,
            max=3600,
            metavar="SECONDS",
            show_default="60; with --once telemetry.statistics_interval_s",
            help="Rates are of the last so many seconds.",
        ),
    ] = None,
    config_path: ConfigPath = None,
) -> None:
    """Show calls, quality, cost and the health of the pipeline, from the consumers' own metrics.

    Live in a terminal, q quits; elsewhere one snapshot after another. It takes nothing from Prometheus.
    """
    from headrace.config import load
    from headrace_consumers.monitoring.guard import token
    from headrace_consumers.top import run, targets

    config = load(config_path)
    found = [targets.of_url(each) for each in url] if url else targets.of_config(config, token(config))
    notes = [] if url else targets.unwatched(config)
    if is_once:
        # A producer tells in such intervals: in less time one has said nothing, or all at once.
        window_s = over_s or max(_LEAST_S, config.telemetry.statistics_interval_s)
        run.once(config, found, over_s=window_s, notes=notes)
    else:
        run.watch(config, found, interval_s=interval_s, over_s=over_s or _OVER_S, notes=notes)
