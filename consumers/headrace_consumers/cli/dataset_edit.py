"""`headrace dataset add|relabel|exclude|restore`: what a person changes by hand, for every cut after it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.examples_place import Environment, ExampleIds, LookIn, found_of
from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import count, print_json, print_lines
from headrace_consumers.cli.versions_place import (
    Root,
    Signature,
    Who,
    Why,
    login_name,
    reason,
    root_of,
)

if TYPE_CHECKING:
    from headrace_consumers.versions.hand.by_hand import Said
    from headrace_consumers.versions.hand.edits import EditKind
    from headrace_consumers.versions.hand.fitting import Check

__all__ = [
    "ADD_EXAMPLE",
    "EXCLUDE_EXAMPLE",
    "RELABEL_EXAMPLE",
    "RESTORE_EXAMPLE",
    "add",
    "exclude",
    "relabel",
    "restore",
]

ADD_EXAMPLE: Final = 'Example: headrace dataset add -s ClassifyTicket new.jsonl --why "refunds were missing"'
RELABEL_EXAMPLE: Final = (
    "Example: headrace dataset relabel -s ClassifyTicket 3f09c1aa "
    """--outputs '{"team": "billing"}' --why "misrouted" """.rstrip()
)
EXCLUDE_EXAMPLE: Final = 'Example: headrace dataset exclude -s ClassifyTicket 3f09c1aa --why "a test of ours"'
RESTORE_EXAMPLE: Final = 'Example: headrace dataset restore -s ClassifyTicket 3f09c1aa --why "it was right"'


def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON or JSON Lines; - reads stdin.")],
    *,
    signature: Signature,
    why: Why,
    who: Who = None,
    any_fields: Annotated[
        bool, typer.Option("--any-fields", help="Also fields that the newest version does not have.")
    ] = False,
    any_kind: Annotated[
        bool,
        typer.Option("--any-kind", help="Also outputs that are not of their field's type, or none of its few values."),
    ] = False,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Add examples of your own: {"inputs": {...}, "outputs": {...}}, an array of these, or one a line.

    They count as given, wait for the next cut of any environment, and stand in its provenance with who, when and why.
    """
    from headrace.datasets.place import signature_folder
    from headrace_consumers.versions.hand import by_hand
    from headrace_consumers.versions.sources.pool import Pool, pool_path

    place = root_of(root, config_path)
    said = _said(who, why)
    names = None if any_fields else by_hand.field_names(signature_folder(place, signature))
    lines = by_hand.examples_in(_text(file), said, names)
    if lines and not any_kind:
        check = _check(signature_folder(place, signature), signature, config_path)
        for number, line in enumerate(lines, 1):
            check(f"example {number}", line["outputs"], line["outputs"])
    path = pool_path(place, signature, "hand")
    added = Pool(path).append(lines)
    if as_json:
        print_json({"added": added, "known": len(lines) - added, "path": str(path)})
        return
    known = f", {count(len(lines) - added)} were there already" if added < len(lines) else ""
    print_lines([f"{signature}: {count(added)} examples added by {said.who}{known}; the next cut takes them"])


def relabel(
    example_id: Annotated[str, typer.Argument(metavar="ID", help="example_id, or its first 8 digits and more.")],
    *,
    signature: Signature,
    why: Why,
    outputs: Annotated[
        str | None, typer.Option(metavar="JSON", show_default=False, help="The right outputs; those not named stay.")
    ] = None,
    quality: Annotated[
        float | None, typer.Option(min=0, max=1, show_default=False, help="Its score; with no outputs it is judged.")
    ] = None,
    any_kind: Annotated[
        bool,
        typer.Option(
            "--any-kind", help="Also what is of another kind or type than the field's, or none of its few values."
        ),
    ] = False,
    who: Who = None,
    environment: Environment = None,
    version: LookIn = None,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Put the right outputs in place of an example's, or score it; from the next cut on it is corrected, or judged."""
    from headrace.errors import UsageError
    from headrace_consumers.versions.hand import by_hand, edits

    if outputs is None and quality is None:
        raise UsageError("relabel: what is right? Give --outputs '{\"field\": ...}' or --quality 0.9")
    given = None if outputs is None else _object("--outputs", outputs)
    folder, rows = found_of(root_of(root, config_path), signature, [example_id], version, environment)
    row = rows[example_id]
    said = _said(who, why)
    line = by_hand.edit("relabel", row, said, outputs=given, quality=quality, any_kind=any_kind)
    if given is not None and not any_kind:
        check = _check(folder, signature, config_path, row["environment"])
        check(row["key"][:32], given, line["outputs"] or {})
    edits.append(folder, [line])
    if as_json:
        told = {"environment": row["environment"], "was": row["outputs"], "outputs": line["outputs"]}
        print_json({"example_id": row["key"][:32], **told, "quality": quality})
        return
    print_lines([f"{signature}: {row['key'][:32]} is relabelled by {said.who} {_from(row)}"])


def exclude(
    ids: ExampleIds,
    *,
    signature: Signature,
    why: Why,
    who: Who = None,
    environment: Environment = None,
    version: LookIn = None,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Keep examples out of every version of their environment from the next cut on; `restore` takes it back."""
    found = found_of(root_of(root, config_path), signature, ids, version, environment)
    _change("exclude", signature, found, _said(who, why), as_json=as_json)


def restore(
    ids: ExampleIds,
    *,
    signature: Signature,
    why: Why,
    who: Who = None,
    environment: Environment = None,
    version: LookIn = None,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Take back what was changed of examples by hand: they are as their source has them from the next cut on."""
    found = found_of(root_of(root, config_path), signature, ids, version, environment)
    _change("restore", signature, found, _said(who, why), as_json=as_json)


def _from(row: dict[str, Any]) -> str:
    return f"from the next cut of {row['environment']} on"


def _check(folder: Path, signature: str, config_path: Path | None, environment: str | None = None) -> "Check":
    from headrace.config import load
    from headrace_consumers.versions.hand import fitting

    gates = load(config_path).versions.gates.for_signature(signature)
    return fitting.check_of(folder, gates.signature_class, environment)


def _change(
    kind: "EditKind",
    signature: str,
    found: tuple[Path, dict[str, dict[str, Any]]],
    said: "Said",
    *,
    as_json: bool,
) -> None:
    from headrace_consumers.versions.hand import by_hand, edits

    folder, rows = found
    edits.append(folder, [by_hand.edit(kind, row, said) for row in rows.values()])
    if as_json:
        named = [row["key"][:32] for row in rows.values()]
        print_json({kind: named, "environment": next(iter(rows.values()))["environment"]})
        return
    done = {"exclude": "is excluded", "restore": "is as its source has it"}[kind]
    print_lines([f"{signature}: {row['key'][:32]} {done} {_from(row)}" for row in rows.values()])


def _said(who: str | None, why: str) -> "Said":
    import time

    from headrace_consumers.versions.hand.by_hand import Said

    return Said(login_name(who), reason(why), time.time_ns() // 10**6)


def _text(file: Path) -> str:
    from headrace.errors import UsageError

    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: is not UTF-8 text") from None


def _object(option: str, text: str) -> dict[str, Any]:
    from headrace.errors import UsageError

    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UsageError(f'{option}: no JSON object; expected one like {{"field": "value"}}')
    return value
