"""Options that name a dataset version, and what they mean."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from headrace.datasets.place import Version

__all__ = [
    "Root",
    "Signature",
    "VersionName",
    "Who",
    "Why",
    "folder_of",
    "login_name",
    "reason",
    "root_of",
    "version_of",
]

Root: TypeAlias = Annotated[
    Path | None,
    typer.Option("--root", metavar="FOLDER", show_default=False, help="Folder of all versions; else versions.path."),
]
Signature: TypeAlias = Annotated[
    str, typer.Option("--signature", "-s", show_default=False, help="As `headrace versions ls` names it.")
]
VersionName: TypeAlias = Annotated[str, typer.Argument(metavar="[VERSION]", help="One like v3 or 3, or latest.")]
Who: TypeAlias = Annotated[
    str | None, typer.Option("--who", show_default=False, help="Who does it; else the login name.")
]
Why: TypeAlias = Annotated[str, typer.Option("--why", show_default=False, help="The reason, for those who come after.")]


def root_of(root: Path | None, config_path: Path | None) -> Path:
    """Return the folder of all versions.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    from headrace.config import load

    return root if root is not None else Path(load(config_path).versions.path)


def folder_of(root: Path, signature: str) -> Path:
    """Return the folder of a signature that has versions.

    Raises:
        DatasetError: it has none; the message says what there is.
    """
    from headrace.datasets.place import located, signature_folder, versions_in

    folder = signature_folder(root, signature)
    if not versions_in(folder):
        located(root, signature, "latest")  # raises
    return folder


def version_of(root: Path, signature: str, version: str) -> "Version":
    """Return the version that is meant.

    Raises:
        DatasetError: there is none such; the message says what there is.
    """
    from headrace.datasets.place import located

    return located(root, signature, int(version) if version.isascii() and version.isdigit() else version)


def login_name(who: str | None) -> str:
    """Return who does it, as provenance will name them.

    Raises:
        UsageError: the option is empty, or nobody is logged in.
    """
    from headrace.errors import UsageError

    if who is None:
        try:
            who = getpass.getuser()
        except (OSError, KeyError):
            raise UsageError("--who: nobody is logged in; give a name") from None
    if not who.strip():
        raise UsageError("--who: is empty; give a name, it stands in the provenance")
    return who.strip()


def reason(why: str) -> str:
    """Return the reason, as provenance will give it.

    Raises:
        UsageError: it is empty.
    """
    from headrace.errors import UsageError

    if not why.strip():
        raise UsageError("--why: is empty; give the reason, it is kept")
    return why.strip()
