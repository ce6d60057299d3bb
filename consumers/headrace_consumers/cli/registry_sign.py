"""`headrace registry sign`: the signature of a new key for the versions that are there."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, print_json, print_lines, shortened
from headrace_consumers.cli.registry_choice import SHORT, ModuleChoice, versions_of

if TYPE_CHECKING:
    from headrace.programs import ProgramRegistry

__all__ = ["EXAMPLE", "command"]

EXAMPLE: Final = "Example: headrace registry sign --module support"
_DONE: Final = frozenset({"signed", "already"})


@dataclass(frozen=True, slots=True)
class _Row:
    """A version, and what became of its signature: signed, already, or why it was not."""

    module: str
    version: str
    digest: str
    what: str


def command(
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="VERSION|DIGEST",
            show_default="all of them",
            help="Only this one, whoever signed it or nobody; look at it first (`registry show`).",
        ),
    ] = None,
    *,
    module: ModuleChoice = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Sign versions of the registry anew with registry.signing_key, after that key was replaced.

    Without a version, those are signed that one of registry.verify_keys has signed, so let these still have the key
    before. The signatures that are there stay. Ends with 1 where a version was refused.
    """
    from headrace.config import load
    from headrace.errors import ConfigError, UsageError
    from headrace.programs import open_registry
    from headrace_schemas.programs import is_digest

    config = load(config_path)
    if config.registry.signing_key is None:
        raise ConfigError("registry.signing_key: not set; the new key is expected there")
    registry = open_registry(config)
    if version is None:
        if not config.registry.verify_keys:
            raise ConfigError(
                "registry.verify_keys: empty, so nothing tells whose versions these are; "
                "set the public key before, or name a version"
            )
        found = list(versions_of(registry, module))
    elif is_digest(version):
        found = [("", "", version)]
    elif module is None:
        raise UsageError(f"registry sign: --module: expected with a version's name ({shortened(version, 40)})")
    else:
        found = [(module, version, registry.find(module, version))]
    rows = [_Row(*each, _signed(registry, each[2], whoever_signed=version is not None)) for each in found]
    if as_json:
        print_json({"versions": list(map(asdict, rows))})
    elif rows:
        shown = [(row.module or "-", row.version or "-", row.digest[:SHORT], row.what) for row in rows]
        print_lines(columns([("module", "version", "digest", ""), *shown]))
    else:
        print_lines([f"{config.registry.path}: no versions{'' if module is None else f' of {module}'}"])
    if any(row.what not in _DONE for row in rows):
        raise typer.Exit(1)


def _signed(registry: "ProgramRegistry", digest: str, *, whoever_signed: bool) -> str:
    from headrace_schemas.programs import ProgramError

    try:
        return "signed" if registry.sign(digest, whoever_signed=whoever_signed) else "already"
    except ProgramError as error:
        if error.reason == "unreachable":
            raise
        return f"refused: {error.reason}"
