"""What the commands that make or bring examples share: their options, the signature, the program, how they report."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from headrace_consumers.cli.present import count, shares

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace_consumers.versions.sources.asking import Asker
    from headrace_consumers.versions.sources.target import Target

__all__ = [
    "ApiBase",
    "LMName",
    "MaxCalls",
    "Program",
    "SignatureClass",
    "SignatureName",
    "Wanted",
    "asker_of",
    "insist_on_use",
    "progress",
    "reason_rows",
    "target_from",
]

SignatureName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--signature",
        "-s",
        metavar="NAME",
        help="As `headrace dataset ls` names it; package.module:Class names both the dataset and its class.",
    ),
]
SignatureClass: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--signature-class",
        metavar="MODULE:CLASS",
        show_default=False,
        help="Where the signature is defined; else its fields are taken from the examples that there are.",
    ),
]
Program: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--program",
        metavar="MODULE:OBJECT",
        show_default=False,
        help="Your DSPy program that makes the examples, in place of the one that comes with Headrace.",
    ),
]
LMName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--lm",
        metavar="MODEL",
        show_default=False,
        help="As dspy.LM names it, e.g. openai/gpt-4o-mini; else the one that your program or signature configures.",
    ),
]
ApiBase: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--api-base", metavar="URL", show_default=False, help="Where the LM is served, if not at its maker's."
    ),
]
MaxCalls: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--max-calls", min=1, metavar="N", show_default=False, help="Ask nothing more after N calls of the LM."
    ),
]
Wanted: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--target",
        min=0,
        metavar="N",
        show_default=False,
        help="So many examples of this source, with those of before.",
    ),
]

_SHOWN: int = 200


def target_from(config: "Config", signature: str, class_path: str | None) -> "Target":
    """Return the signature that examples are made for.

    Raises:
        UsageError: its class cannot be imported, or there is neither a class nor an example of it.
    """
    from headrace.errors import UsageError
    from headrace_consumers.versions.sources.target import inferred, load_object, target_of

    if ":" in signature:
        if class_path is not None:
            raise UsageError("--signature-class: --signature names a class already; give one of them")
        return target_of(None, load_object("--signature", signature))
    if class_path is not None:
        return target_of(signature, load_object("--signature-class", class_path))
    return inferred(signature, _examples(config, signature))


def _examples(config: "Config", signature: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    from headrace.errors import HeadraceError
    from headrace_consumers.cli.reading import newest
    from headrace_consumers.versions.sources.there import of_pools, of_version

    root = Path(config.versions.path)
    is_any = False
    for known in (each for found in (of_version, of_pools) for each in found(root, signature)):
        is_any = True
        yield known.inputs, known.outputs
    if not is_any:
        try:
            rows = newest(config.dataset, signature, _SHOWN)
        except HeadraceError:  # no table, or no such signature in it
            return
        yield from ((row["input"], row["output"]) for row in rows if row["input"] and row["output"])


def asker_of(
    default: "Callable[[], Any]",
    program: str | None,
    lm: str | None,
    api_base: str | None,
    max_calls: int | None = None,
    *,
    options: str = "--",
) -> "Asker":
    """Return the program that is asked, with its LM.

    Args:
        default: makes Headrace's own program.
        program: where the user's is.
        lm: the LM's name.
        api_base: where it is served.
        max_calls: how often it may be called.
        options: how the command line's options for it begin.

    Raises:
        DSPyMissingError: dspy is not installed.
        UsageError: the program cannot be imported or called, or no LM is configured.
    """
    from headrace.errors import require_dspy
    from headrace_consumers.versions.sources.asking import Asker, open_lm, open_program

    require_dspy()
    made = default() if program is None else open_program(program, options)
    return Asker(made, open_lm(lm, api_base, options), max_calls=max_calls, options=options)


def insist_on_use(nothing: Mapping[str, int], asker: "Asker", *, is_in_vain: bool) -> None:
    """Return if some answer was of use.

    Raises:
        LMError: none was.
    """
    from headrace_consumers.versions.sources.asking import LMError

    if is_in_vain:
        model = f" of {asker.model}" if asker.model else ""
        raise LMError(f"no answer{model} was of any use ({shares(nothing)}): try another model or program")


@contextmanager
def progress(what: str, total: int | None) -> "Iterator[Callable[[int, str], None]]":
    """Yield what is told how far the work is, and a remark; a bar on a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield lambda _done, _remark: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, remark: bar.update(task, completed=done, description=remark)


def reason_rows(rows: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str, str]]:
    """Return a row of figures for each name that has counts by reason."""
    return [(name, count(sum(counts.values())), shares(counts)) for name, counts in rows.items() if counts]
