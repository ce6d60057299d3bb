"""Options that name examples of versions, and what they mean."""

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from headrace_consumers.cli.versions_place import folder_of, version_of

__all__ = ["Environment", "ExampleIds", "LookIn", "found_of"]

ExampleIds: TypeAlias = Annotated[
    list[str], typer.Argument(metavar="ID...", show_default=False, help="example_id, or its first 8 digits and more.")
]
LookIn: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--version", show_default=False, help="Where to look it up; else in all of the environment, newest first."
    ),
]
Environment: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--environment",
        metavar="NAME",
        show_default=False,
        help="In whose versions to look, and whose cuts it holds for; else that of --version, or production.",
    ),
]


def found_of(
    root: Path, signature: str, ids: list[str], version: str | None, environment: str | None
) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Return the signature's folder, and the examples that are meant, by what was asked for.

    Raises:
        UsageError: an id names no example there, or several; or the version is of another environment.
        DatasetError, VersionsError: there is no such version, or one cannot be read.
    """
    from headrace_consumers.versions.hand import finding

    folder = folder_of(root, signature)
    meant = None if version is None else version_of(root, signature, version)
    return folder, finding.find(folder, ids, meant, environment)
