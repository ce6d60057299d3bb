"""Options that several commands share, under one name and with one meaning."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

__all__ = ["EPILOG_WIDTH", "AsJson", "ConfigPath", "LogFormat", "LogFormatOption", "LogLevel", "LogLevelOption"]

EPILOG_WIDTH: Final = 100

ConfigPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="PATH",
        show_default=False,
        help="Configuration, a JSON file; else the one that HEADRACE_CONFIG names; else the defaults.",
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]


class LogFormat(StrEnum):
    """How logs look."""

    auto = "auto"
    text = "text"
    json = "json"


class LogLevel(StrEnum):
    """What is logged: this and worse."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


LogFormatOption: TypeAlias = Annotated[
    LogFormat,
    typer.Option("--log-format", envvar="HEADRACE_LOG_FORMAT", help="Logs on stderr; auto is text on a terminal."),
]
LogLevelOption: TypeAlias = Annotated[
    LogLevel, typer.Option("--log-level", envvar="HEADRACE_LOG_LEVEL", help="Log this and worse.")
]
