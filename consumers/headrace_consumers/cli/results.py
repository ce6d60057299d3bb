"""How results of checks are shown: a line each as soon as it is there, exit code 1 where something is wrong."""

from typing import TYPE_CHECKING

import typer

from headrace_consumers.cli.present import print_json, print_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace_consumers.doctor import Result

__all__ = ["show_results"]


def show_results(results: "Iterable[Result]", *, as_json: bool) -> None:
    """Print results as they come.

    Raises:
        Exit: with code 1, if something is wrong.
    """
    shown = []
    for result in results:
        shown.append(result)
        if not as_json:
            print_lines([_line(result)])
    is_wrong = any(result.state == "wrong" for result in shown)
    if as_json:
        print_json({"ok": not is_wrong, "results": [result.as_dict() for result in shown]})
    if is_wrong:
        raise typer.Exit(1)


def _line(result: "Result") -> str:
    text = f"{result.state:<5}  {result.check}: {result.what}"
    return " ".join([text, f"-> {result.mend}"] if result.mend else [text])
