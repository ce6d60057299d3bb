"""`headrace demo`: the main job, end to end, in about a minute."""

from pathlib import Path
from typing import Annotated, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import print_json

__all__ = ["EXAMPLE", "command"]

EXAMPLE: Final = "Example: headrace demo --calls 10000 --kafka broker:9092"


def command(
    *,
    kafka: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", show_default=False, help="A real broker; else one inside the demo's own process."
        ),
    ] = None,
    calls: Annotated[int, typer.Option(min=1, help="How many calls the sample program gets.")] = 3000,
    folder: Annotated[Path, typer.Option("--dir", metavar="PATH", help="Made anew; all that the demo leaves.")] = Path(
        "demo-data"
    ),
    alerts: Annotated[
        bool,
        typer.Option(
            "--alerts",
            help="Instead, an incident in a service: the alert at a webhook, and its resolve. On this machine.",
        ),
    ] = False,
    loop: Annotated[
        bool,
        typer.Option(
            "--loop",
            help="Instead, the whole loop: a weak program is sampled, cut, optimized, rolled out and promoted.",
        ),
    ] = False,
    lm: Annotated[
        str | None,
        typer.Option(
            "--lm",
            metavar="URL",
            show_default=False,
            help="With --loop: an OpenAI-compatible endpoint, instead of the offline language model.",
        ),
    ] = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Run a sample DSPy program, capture its calls, and make a dataset of them.

    The program (with an offline language model) and the consumer are processes of their own, as in production.
    Of --config only the options of the kafka section are used, for brokers with security.
    """
    from headrace_consumers import demo

    if alerts:
        _incident(folder, kafka=kafka, config_path=config_path, as_json=as_json)
        return
    if loop:
        _loop(folder, lm=lm, kafka=kafka, config_path=config_path, as_json=as_json)
        return
    summary = demo.run(kafka=kafka, calls=calls, folder=folder, config_path=config_path, show=not as_json)
    if as_json:
        print_json(summary.as_dict())
    if not summary.ok:
        raise typer.Exit(1)


def _loop(folder: Path, *, lm: str | None, kafka: str | None, config_path: Path | None, as_json: bool) -> None:
    from headrace.errors import UsageError
    from headrace_consumers.demo.loop import loop

    if kafka is not None or config_path is not None:
        raise UsageError("demo --loop: it has a broker and a configuration of its own; leave out --kafka and --config")
    played = loop(folder=folder, lm=lm, show=not as_json)
    if as_json:
        print_json(played.as_dict())


def _incident(folder: Path, *, kafka: str | None, config_path: Path | None, as_json: bool) -> None:
    from headrace.errors import UsageError
    from headrace_consumers.demo.incident import incident

    if kafka is not None or config_path is not None:
        raise UsageError(
            "demo --alerts: it has a broker and a configuration of its own; leave out --kafka and --config"
        )
    played = incident(folder=folder, show=not as_json)
    if as_json:
        print_json(played.as_dict())
