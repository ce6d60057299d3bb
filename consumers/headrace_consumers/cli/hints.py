"""Commands in what is told to people, with the options that they gave: so that each can be run as it is printed.

headrace dataset mine-git --signature S  --"cut --root R --config C" was run-->  ... mine-git --root R --config C ...
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

__all__ = ["giving", "options_in", "runnable"]

_CARRIED: Final[Mapping[str, tuple[str, ...]]] = {
    "--root": ("--root",),
    "--config": ("--config", "-c"),
    "--signature": ("--signature", "-s"),
}
"""Options that mean the same in each command that has them, by all their names."""

_COMMAND: Final = re.compile(r"\bheadrace((?: [a-z][a-z-]*){1,2})(?![\w:-])")
_ITS_OWN: Final = re.compile(r"[^;,]*")
"""Up to there what follows a command may be its options."""

_GIVEN: Final[ContextVar[Mapping[str, str] | None]] = ContextVar("given", default=None)


def options_in(arguments: Sequence[str]) -> dict[str, str]:
    """Return those of the options that are carried on which a command line has."""
    found = {}
    for at, argument in enumerate(arguments):
        if argument == "--":
            break
        name, is_joined, value = argument.partition("=")
        for option, names in _CARRIED.items():
            if name in names and is_joined:
                found[option] = value
            elif argument in names and at + 1 < len(arguments):
                found[option] = arguments[at + 1]
    return found


@contextmanager
def giving(arguments: Sequence[str]) -> Iterator[None]:
    """Let `runnable` carry on the options of a command line inside the block."""
    token = _GIVEN.set(options_in(arguments))
    try:
        yield
    finally:
        _GIVEN.reset(token)


def runnable(text: str) -> str:
    """Return a text for people with the options that they gave in each command that it names and that has them.

    A signature is carried on only where the command does not run without one. What a command says already stays.
    """
    given = _GIVEN.get()
    return _COMMAND.sub(lambda found: _with_options(found, given), text) if given and "headrace " in text else text


def _with_options(found: "re.Match[str]", given: Mapping[str, str]) -> str:
    said = found[0]
    words, parameters = _command(found[1].split())
    behind = _ITS_OWN.match(found.string, found.end())
    own = f"{said}{behind[0] if behind else ''}".split()
    if "--help" in own or "--traceback" in own:
        return said
    more = []
    for option, value in given.items():
        parameter = parameters.get(option)
        is_wanted = parameter is not None and (option != "--signature" or parameter.required)
        if is_wanted and not set(own).intersection(_CARRIED[option]):
            more.append(f"{option} {shlex.quote(value)}")
    if not more:
        return said
    command = " ".join(["headrace", *words])
    return f"{command} {' '.join(more)}{said.removeprefix(command)}"


def _command(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the words that name a command, and its parameters by their options."""
    import typer

    from headrace_consumers.cli.app import app

    command: Any = typer.main.get_command(app)
    named = []
    for word in words:
        inner = getattr(command, "commands", {}).get(word)
        if inner is None:
            break
        named.append(word)
        command = inner
    return named, {option: each for each in command.params for option in each.opts} if named else {}
