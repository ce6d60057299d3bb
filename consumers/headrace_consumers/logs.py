"""Logs of a deployed process: one line an event, on stderr, as text for people or as JSON for machines.

structlog and the standard library's logging end in one handler, so that librdkafka's, delta-rs' and our own lines
look the same. Payloads and secrets are never given to a logger; see docs/security.md for what is.
"""

import logging
import sys
from typing import Any, Final, Literal, TextIO, TypeAlias

import structlog

__all__ = ["LEVELS", "LogFormat", "configure"]

LogFormat: TypeAlias = Literal["auto", "text", "json"]
LEVELS: Final = ("debug", "info", "warning", "error")


class _CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to what sys.stderr is at that moment: a live display puts itself in between while it is shown."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _value: TextIO) -> None:
        raise AttributeError("the stream is sys.stderr")


def configure(log_format: LogFormat = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream`, or to stderr.

    Args:
        log_format: "auto" is text on a terminal, else JSON lines.
        level: one of LEVELS.
        stream: for tests; else stderr, whatever it is when a line is written.
    """
    as_text = log_format == "text" or (log_format == "auto" and (stream or sys.stderr).isatty())
    added: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        # People read their own clock; machines compare lines of many hosts.
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
        if as_text
        else structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ends: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=(stream or sys.stderr).isatty(), pad_event_to=0)]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True, default=str)]
    )
    handler: logging.Handler = _CurrentStderr() if stream is None else logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*added, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ends],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *added,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a second configure(), as in tests, must take effect
    )
