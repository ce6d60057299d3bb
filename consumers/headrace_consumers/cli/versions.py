"""`headrace versions ls|show|rollback|delete`: the versions on their shelf; the group's other commands join it here."""

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace_consumers.cli import versions_diff, versions_export
from headrace_consumers.cli.hints import runnable
from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, count, print_json, print_lines, shares
from headrace_consumers.cli.versions_place import (
    Root,
    Signature,
    VersionName,
    Who,
    Why,
    folder_of,
    login_name,
    reason,
    root_of,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from headrace_consumers.versions.shelf.listing import Latest, Shelved

__all__ = ["app"]

app = typer.Typer(help="Look at dataset versions, compare them, go back to one.", rich_markup_mode=None)

_MB = 1e6


@app.command("ls", epilog="Example: headrace versions ls -s ClassifyTicket")
def list_versions(
    *,
    signature: Annotated[
        str | None, typer.Option("--signature", "-s", show_default=False, help="Only this one's.")
    ] = None,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """List signatures and their versions: examples, labels, the latest, what a gate refused, what is damaged."""
    from headrace.datasets.place import signature_folder, signatures_in
    from headrace_consumers.versions.shelf.listing import latest_of, shelf

    place = root_of(root, config_path)
    if signature is not None:
        folders = [folder_of(place, signature)]
    else:
        folders = [signature_folder(place, each) for each in signatures_in(place)]
    found = [(folder, shelf(folder), latest_of(folder)) for folder in folders]
    if as_json:
        print_json([_as_dict(*each) for each in found])
        return
    lines = [line for folder, versions, latest in found for line in _lines(folder, versions, latest)]
    print_lines(lines or [runnable(f"{place}: no versions here yet; headrace dataset cut --signature S makes one")])


@app.command(epilog="Example: headrace versions show -s ClassifyTicket v3")
def show(
    *,
    signature: Signature,
    version: VersionName = "latest",
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show a version: its figures, the gates' verdicts, what it was made from; every file is checked by its hash."""
    from headrace_consumers.versions.shelf.listing import changed_files, shelf
    from headrace_consumers.versions.shelf.uses import uses
    from headrace_consumers.versions.telling.card import card

    place = root_of(root, config_path)
    meant = version_of(place, signature, version)
    folder = meant.path.parent
    (found,) = [each for each in shelf(folder) if each.version == meant]
    wrong = [found.damage] if found.damage is not None else changed_files(meant)
    used = [each.what for each in uses(folder) if each.version in (meant.name, None)]
    if as_json:
        told = {"metadata": found.metadata, "manifest": found.manifest, "wrong": wrong, "used_by": used}
        print_json({"signature": signature, "version": meant.name, "path": str(meant.path), **told})
    else:
        if found.metadata is not None and found.manifest is not None:
            print_lines([card(found.metadata, found.manifest)])
        state = [f"WRONG: {each}" for each in wrong] or ["every file is the one that the manifest names"]
        print_lines([f"{meant.path}, {_size(found.size_bytes)}", *state, *(f"in use by {each}" for each in used)])
    if wrong:
        raise typer.Exit(1)


@app.command(epilog="Example: headrace versions rollback -s ClassifyTicket v2")
def rollback(
    *,
    signature: Signature,
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", show_default=False, help="Else the one before the latest.")
    ] = None,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Make another version the latest, at once for every reader; repairs a `latest` that names what is not there."""
    from headrace_consumers.versions.shelf import rollback as rolling_back

    folder = folder_of(root_of(root, config_path), signature)
    before, name = rolling_back.rollback(folder, None if version is None else _number(version))
    if as_json:
        print_json({"signature": signature, "was": before.name, "was_dangling": before.is_dangling, "latest": name})
        return
    was = f"it was {before.name}" if before.name else "there was none"
    print_lines([f"{signature}: {name} is the latest; {was}{', which is not there' if before.is_dangling else ''}"])


@app.command(epilog='Example: headrace versions delete -s ClassifyTicket v1 --why "cut with the wrong thresholds"')
def delete(
    *,
    signature: Signature,
    version: Annotated[str, typer.Argument(metavar="VERSION", show_default=False, help="One like v3 or 3.")],
    why: Why,
    who: Who = None,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Delete a version for good; refused for the latest, and for one that a run or a rollout uses.

    Who, when and why stays in <signature>/deleted/; the number is not used again.
    """
    import time

    from headrace_consumers.versions.shelf import deleting

    folder = folder_of(root_of(root, config_path), signature)
    number = _number(version)
    made = deleting.delete(folder, number, who=login_name(who), why=reason(why), timestamp_ms=time.time_ns() // 10**6)
    examples = None if made is None else made["examples"]
    if as_json:
        print_json({"signature": signature, "deleted": f"v{number}", "examples": examples})
        return
    told = "" if examples is None else f", {count(examples)} examples"
    print_lines([f"{signature}: v{number} is deleted{told}; its number is not used again"])


app.command("diff", epilog=versions_diff.EXAMPLE)(versions_diff.diff)
app.command("export", epilog=versions_export.EXAMPLE)(versions_export.export)


def _number(version: str) -> int:
    from headrace.errors import UsageError
    from headrace_schemas.dataset_files import version_number

    number = version_number(version if version.startswith("v") else f"v{version}")
    if number is None:
        raise UsageError(f"{version[:40]}: no version; expected one like v3 or 3")
    return number


def _lines(folder: "Path", versions: "list[Shelved]", latest: "Latest") -> list[str]:
    from headrace_schemas.dataset_files import signature_of

    name = signature_of(folder.name)
    if not versions:
        return [f"{name}: no versions", ""]
    rows = [("", "train", "val", "test", "labels", "", "size", "cut"), *(_row(each, latest) for each in versions)]
    rollback = f"headrace versions rollback -s {shlex.quote(name)}"
    told = [name, *(f"  {line}" for line in columns(rows, right=frozenset({1, 2, 3, 6})))]
    if latest.name is None:
        told.append(runnable(f"  no version is the latest: {rollback} makes one of them"))
    elif latest.is_dangling:
        told.append(runnable(f"  latest names {latest.name}, which is not there: {rollback} repairs it"))
    return [*told, ""]


def _row(each: "Shelved", latest: "Latest") -> tuple[str, ...]:
    from headrace_schemas.dataset_files import PRODUCTION
    from headrace_schemas.dataset_manifest import environment_of

    mark = " latest" if each.version.name == latest.name else ""
    if each.metadata is None or each.manifest is None:
        return (each.version.name + mark, "", "", "", f"DAMAGED: {each.damage}", "", _size(each.size_bytes), "")
    splits = each.metadata["splits"]
    failed = [gate["gate"] for gate in each.manifest["gates"] if not gate["is_passed"]]
    environment = environment_of(each.manifest)
    remarks = [] if environment == PRODUCTION else [f"of {environment}"]
    remarks += [f"failed: {', '.join(failed)}"] if failed else ["gates passed"] if each.manifest["gates"] else []
    if erased := each.manifest.get("erased"):
        remarks.append(f"{count(sum(one['examples'] for one in erased))} erased")
    return (
        each.version.name + mark,
        *(count(splits[split]["examples"]) for split in ("train", "val", "test")),
        shares(_labels(each)),
        "; ".join(remarks),
        _size(each.size_bytes),
        each.metadata["made_at"],
    )


def _labels(each: "Shelved") -> "Mapping[str, int]":
    totals: dict[str, int] = {}
    for split in each.metadata["splits"].values() if each.metadata is not None else ():
        for label, number in split["labels"].items():
            totals[label] = totals.get(label, 0) + number
    return totals


def _as_dict(folder: "Path", versions: "list[Shelved]", latest: "Latest") -> dict[str, Any]:
    from headrace_schemas.dataset_files import signature_of

    return {
        "signature": signature_of(folder.name),
        "latest": latest.name,
        "latest_is_dangling": latest.is_dangling,
        "versions": [
            {
                "version": each.version.name,
                "examples": None if each.metadata is None else each.metadata["examples"],
                "splits": None if each.metadata is None else each.metadata["splits"],
                "made_at": None if each.metadata is None else each.metadata["made_at"],
                "environment": None if each.manifest is None else each.manifest.get("environment"),
                "gates": None if each.manifest is None else each.manifest["gates"],
                "erased": [] if each.manifest is None else each.manifest.get("erased", []),
                "damage": each.damage,
                "size_bytes": each.size_bytes,
            }
            for each in versions
        ],
    }


def _size(size_bytes: int) -> str:
    return f"{size_bytes / _MB:,.1f} MB" if size_bytes >= _MB / 10 else f"{count(size_bytes)} B"
