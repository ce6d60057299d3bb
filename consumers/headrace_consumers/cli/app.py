"""The program `headrace`: its command groups, and how every command ends.

Exit codes: 0 done; 1 the work failed, or a check found something; 2 bad usage or configuration; 130 Ctrl-C.
An error is one line on stderr, `headrace: what, where, what to do`.
"""

import atexit
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Final

import typer

from headrace_consumers.cli import (
    acls,
    aggregate,
    alerts,
    config,
    consume,
    cycle,
    dashboards,
    dataset,
    deadletter,
    demo,
    doctor,
    erase,
    import_,
    privacy,
    registry,
    rollout,
    sampling,
    top,
    topics,
    ui,
    versions,
)
from headrace_consumers.cli.hints import giving, runnable
from headrace_consumers.cli.options import EPILOG_WIDTH
from headrace_consumers.cli.signals import BOUND_THREAD
from headrace_consumers.kafka_clients import CLOSING_THREAD

__all__ = ["app", "main"]

TRACEBACK_VARIABLE: Final = "HEADRACE_TRACEBACK"

_HURRIED: Final = (CLOSING_THREAD, BOUND_THREAD)
"""With one of these threads the process ends without the interpreter's own end: a client that waits for a broker would
hold it up, or be torn by it; and taking apart what the libraries made takes seconds of a signal's bound."""

app = typer.Typer(
    name="headrace",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": EPILOG_WIDTH},
    help="Turns live DSPy traffic into better DSPy programs: sampled, redacted, exactly once.",
    epilog="Start with: headrace demo",
)
app.add_typer(config.app, name="config")
app.add_typer(topics.app, name="topics")
app.add_typer(acls.app, name="acls")
app.add_typer(consume.app, name="consume")
app.add_typer(dataset.app, name="dataset")
app.add_typer(versions.app, name="versions")
app.add_typer(cycle.app, name="cycle")
app.add_typer(deadletter.app, name="deadletter")
app.add_typer(sampling.app, name="sampling")
app.add_typer(rollout.app, name="rollout")
app.add_typer(registry.app, name="registry")
app.add_typer(privacy.app, name="privacy")
app.add_typer(alerts.app, name="alerts")
app.add_typer(dashboards.app, name="dashboards")
app.command("demo", epilog=demo.EXAMPLE)(demo.command)
app.command("import", epilog=import_.EXAMPLE)(import_.command)
app.command("aggregate", epilog=aggregate.EXAMPLE)(aggregate.command)
app.command("erase", epilog=erase.EXAMPLE)(erase.command)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.command)
app.command("top", epilog=top.EXAMPLE)(top.command)
app.command("ui", epilog=ui.EXAMPLE)(ui.command)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  # Typer calls it with the option's value
    if wanted:
        from importlib.metadata import version

        typer.echo(f"headrace {version('headrace')}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    show_traceback: Annotated[
        bool,
        typer.Option("--traceback", envvar=TRACEBACK_VARIABLE, help="Show where an unexpected error came from."),
    ] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if show_traceback:
        os.environ[TRACEBACK_VARIABLE] = "1"  # `run` looks there, and so do child processes


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments without the program's name; by default those of the process.
    """
    end = _End()
    if argv is None:
        os.umask(0o077)  # what libraries write is people's words, too
        atexit.register(end)  # the first to be registered is the last to run
    arguments = list(sys.argv[1:] if argv is None else argv)
    with giving(arguments):
        code = end.code = guarded(lambda: app(arguments or ["--help"], prog_name="headrace", standalone_mode=False))
    if argv is None and any(thread.name in _HURRIED for thread in threading.enumerate()):
        end()
    return code


class _End:
    """The end of the process, without the interpreter's own: Arrow's threads that still read ahead would abort in it.

    Attributes:
        code: the exit code.
    """

    def __init__(self, code: int = 1) -> None:
        self.code = code

    def __call__(self) -> None:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(self.code)


def guarded(work: Callable[[], object]) -> int:
    """Run `work` and turn however it ends into an exit code and at most one line on stderr."""
    try:
        code = work()
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # The reader has gone, e.g. `| head`. Python's own flush at exit must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except Exception as error:
        return _explain(error)
    return code if isinstance(code, int) else 0


def _explain(error: Exception) -> int:
    # Imported late: this brings the whole producer, which --help does not need.
    from headrace.errors import ConfigError, HeadraceError, UsageError

    if isinstance(error, HeadraceError):
        return _fail(str(error), 2 if isinstance(error, ConfigError | UsageError) else 1)
    if (message := _of_usage_error(error)) is not None:
        return _fail(message, 2)
    if os.environ.get(TRACEBACK_VARIABLE, "0") not in {"", "0"}:
        traceback.print_exception(error)
        return 1
    return _fail(
        f"unexpected {type(error).__name__}: {str(error) or 'no message'} "
        f"(headrace --traceback ..., or {TRACEBACK_VARIABLE}=1, shows where)",
        1,
    )


def _of_usage_error(error: Exception) -> str | None:
    """Return the line for a mistake in the arguments; Typer's errors have no public base class in all its versions."""
    if not isinstance(error, typer.BadParameter.__mro__[2]):
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "headrace"
    message = str(error.format_message()).rstrip(".")  # type: ignore[attr-defined]  # see above
    return f"{message}; see {path} --help"


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"headrace: {runnable(' '.join(message.split()))}\n")
    return code
