"""`headrace dataset card`: README.md of a version, made anew."""

import json
from typing import Annotated, Final

import typer

from headrace_consumers.cli.options import ConfigPath
from headrace_consumers.cli.present import print_lines
from headrace_consumers.cli.versions_place import Root, Signature, VersionName, root_of, version_of

__all__ = ["EXAMPLE", "write_card"]

EXAMPLE: Final = "Example: headrace dataset card -s ClassifyTicket v3"


def write_card(
    version: VersionName = "latest",
    *,
    signature: Signature,
    only_show: Annotated[bool, typer.Option("--print", help="Print it, and write nothing.")] = False,
    root: Root = None,
    config_path: ConfigPath = None,
) -> None:
    """Write a version's README.md: what it holds, how far its outputs can be trusted, where it came from.

    A cut writes it already; it is no part of the version's hashes, so it may be made anew.
    """
    from headrace_consumers.versions.errors import VersionsError
    from headrace_consumers.versions.files.disk import write_over
    from headrace_consumers.versions.telling.card import CARD, card
    from headrace_schemas.dataset_manifest import METADATA

    meant = version_of(root_of(root, config_path), signature, version)
    text = card(json.loads(meant.content(METADATA)), meant.manifest())
    if only_show:
        print_lines([text])
        return
    try:
        write_over(meant.path / CARD, text.encode())
    except OSError as error:
        raise VersionsError(f"{meant.path / CARD}: cannot be written ({error.strerror})") from error
    print_lines([str(meant.path / CARD)])
