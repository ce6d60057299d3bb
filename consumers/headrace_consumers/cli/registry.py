"""`headrace registry ls|show|sign|public-key`: the program versions that rollouts name, as services find them."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli import registry_sign
from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, print_json, print_lines, shortened
from headrace_consumers.cli.registry_choice import SHORT, ModuleChoice, versions_of

if TYPE_CHECKING:
    from headrace.programs import ProgramRegistry
    from headrace_schemas.programs import Program

__all__ = ["app"]

app = typer.Typer(help="Look at the program versions that rollouts name, and sign them.", rich_markup_mode=None)
app.command("sign", epilog=registry_sign.EXAMPLE)(registry_sign.command)

_WIDTH: Final = 100
_USABLE: Final = "yes"


@dataclass(frozen=True, slots=True)
class _Row:
    """A version.

    Attributes:
        module: whose.
        version: its name.
        digest: of its file.
        usable: whether a service with this configuration would use it: yes, or why not, as in metrics.
        predictors: how many; None: not known.
        demos: of all predictors; likewise.
        dataset: what it was optimized on; None: not told.
    """

    module: str
    version: str
    digest: str
    usable: str
    predictors: int | None = None
    demos: int | None = None
    dataset: str | None = None


@app.command("ls", epilog="Example: headrace registry ls --module support")
def ls(
    *,
    module: ModuleChoice = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of the registry (registry.path), each read and checked as a service does before it uses one."""
    from headrace.config import load
    from headrace.programs import open_registry

    config = load(config_path)
    registry = open_registry(config)
    rows = [_row(registry, *each) for each in versions_of(registry, module)]
    is_checked = bool(config.registry.verify_keys)
    if as_json:
        print_json(
            {"path": config.registry.path, "signatures_checked": is_checked, "versions": list(map(asdict, rows))}
        )
        return
    if not rows:
        print_lines([f"{config.registry.path}: no versions{'' if module is None else f' of {module}'}"])
        return
    header = ("module", "version", "digest", "usable", "predictors", "demos", "dataset")
    shown = [
        (
            row.module,
            row.version,
            row.digest[:SHORT],
            row.usable,
            "-" if row.predictors is None else str(row.predictors),
            "-" if row.demos is None else str(row.demos),
            row.dataset or "-",
        )
        for row in rows
    ]
    print_lines(columns([header, *shown], right=frozenset({4, 5})))
    if not is_checked:
        print_lines(["signatures are not checked: registry.verify_keys is empty"])


@app.command("show", epilog="Example: headrace registry show v3 --module support")
def show(
    version: Annotated[str, typer.Argument(metavar="VERSION|DIGEST", help="Of a version; a digest needs no --module.")],
    *,
    module: Annotated[
        str | None,
        typer.Option("--module", "-m", metavar="NAME", show_default=False, help="Whose version it is."),
    ] = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show what a version says: its instructions and demos, what it was optimized on, and how it scored.

    It is read as a service reads it; one that a service would not use is refused with the reason.
    """
    from headrace.config import load
    from headrace.errors import UsageError
    from headrace.programs import open_registry
    from headrace_schemas.programs import is_digest

    registry = open_registry(load(config_path))
    if not is_digest(version) and module is None:
        raise UsageError(f"registry show: --module: expected with a version's name ({shortened(version, 40)})")
    digest = version if is_digest(version) else registry.find(module or "", version)
    program = registry.get(digest)
    if as_json:
        print_json({"digest": digest, **asdict(program)})
    else:
        print_lines(_lines(program, digest))


@app.command("public-key", epilog="Example: headrace registry public-key --key file:programs.key > programs.pub")
def public_key(
    *,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="env:NAME|file:PATH",
            show_default="registry.signing_key",
            help="The signing key, 32 bytes in base64.",
        ),
    ] = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Print the public key of a signing key, for registry.verify_keys of the services."""
    from headrace.config import load
    from headrace.errors import UsageError
    from headrace.key_material import load_key
    from headrace.programs import public_key_of
    from headrace.programs.opening import require_cryptography

    if key is not None and not key.startswith(("env:", "file:")):  # and what was found there may be the key itself
        raise UsageError("--key: expected env:NAME or file:PATH, where the key is; a key itself is never given")
    named = "--key" if key is not None else "registry.signing_key"
    reference = key if key is not None else load(config_path).registry.signing_key
    if reference is None:
        raise UsageError("registry public-key: registry.signing_key is not set; give --key env:NAME or file:PATH")
    require_cryptography()
    public = public_key_of(load_key(reference, named))
    if as_json:
        print_json({"public_key": public})
    else:
        print_lines([public])


def _row(registry: "ProgramRegistry", module: str, version: str, digest: str) -> _Row:
    from headrace_schemas.programs import ProgramError

    try:
        program = registry.get(digest)
    except ProgramError as error:
        if error.reason == "unreachable":
            raise
        return _Row(module, version, digest, error.reason)
    # A name leads to a file, and the file says whose it is: a rollout trusts the file.
    usable = _USABLE if (program.module, program.version) == (module, version) else "other_program"
    demos = sum(len(each.demos) for each in program.predictors.values())
    return _Row(module, version, digest, usable, len(program.predictors), demos, _dataset(program))


def _dataset(program: "Program") -> str | None:
    told = program.dataset or {}
    names = [str(told[name]) for name in ("signature", "version") if name in told]
    return shortened("/".join(names), 40) if names else None


def _lines(program: "Program", digest: str) -> list[str]:
    lines = [
        f"module   {program.module}",
        f"version  {program.version}",
        f"digest   {digest}",
        f"dataset  {_dataset(program) or 'not told'}",
        *(f"scores   {name}: {_value(value)}" for name, value in (program.scores or {}).items()),
    ]
    for path, state in program.predictors.items():
        lines += ["", f"{path}: {state.signature}, {len(state.demos)} demos", f"  {_value(state.instructions)}"]
        for each in state.fields:
            words = ", ".join(_value(word) for word in (each.prefix, each.description) if word is not None)
            lines.append(f"  {each.name}: {words or 'as in the code'}")
    return lines


def _value(value: Any) -> str:
    return shortened(str(value), _WIDTH)
