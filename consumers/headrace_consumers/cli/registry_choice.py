"""What the commands on the registry have in common: which versions are meant, and how a digest is shown."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

if TYPE_CHECKING:
    from headrace.programs import ProgramRegistry

__all__ = ["SHORT", "ModuleChoice", "versions_of"]

SHORT: Final = 12
"""Digits of a digest that are shown in tables."""

ModuleChoice: TypeAlias = Annotated[
    str | None,
    typer.Option("--module", "-m", metavar="NAME", show_default="all of them", help="Only this module's."),
]


def versions_of(registry: "ProgramRegistry", module: str | None) -> Iterator[tuple[str, str, str]]:
    """Yield (module, version, digest) of all modules or of one, sorted."""
    for each in sorted(registry.modules()):
        if module in {None, each}:
            for version, digest in sorted(registry.versions(each).items()):
                yield each, version, digest
