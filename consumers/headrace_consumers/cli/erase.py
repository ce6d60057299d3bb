"""`headrace erase`: a person's rows out of the tables, their examples out of versions, and a certificate of it."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, count, print_json, print_lines, shares

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.config import Config
    from headrace_consumers.dataset.steps import Hook
    from headrace_consumers.erasure.certificate import Certificate
    from headrace_consumers.erasure.choices import Wanted
    from headrace_consumers.erasure.run import Plan

__all__ = ["EXAMPLE", "command"]

EXAMPLE: Final = "Example: headrace erase --subject 4711 --config headrace.json, and then again with --apply"

_LOOKING: Final = "looking through the tables"
_DOING: Final = {
    "versions": "rewriting dataset versions without the examples",
    "suppress": "telling the tables whom to refuse",
    "rewrite": "rewriting files without the rows",
    "take-out": "taking the rows out",
    "purge": "deleting old files; one that a consumer may be writing has a while to go by itself",
}


def command(
    *,
    subjects: Annotated[
        list[str] | None,
        typer.Option(
            "--subject", metavar="ID", show_default=False, help="The service's own id of a person; - reads stdin."
        ),
    ] = None,
    pseudonyms: Annotated[
        list[str] | None,
        typer.Option("--pseudonym", metavar="P", show_default=False, help="A subject_id as records hold it."),
    ] = None,
    requests: Annotated[
        list[str] | None,
        typer.Option("--request", metavar="ID", show_default=False, help="All records of a request id."),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--table", metavar="PLACE", show_default=False, help="Another table than dataset.path, local or s3://..."
        ),
    ] = None,
    versions: Annotated[
        list[Path] | None,
        typer.Option(
            "--versions", metavar="FOLDER", show_default=False, help="Folders of dataset versions; else versions.path."
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; else only say what would be done.")] = False,
    certificate: Annotated[
        Path | None,
        typer.Option(metavar="PATH", show_default=False, help="Where; else erasure-<time>.json in this folder."),
    ] = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Remove a person from tables and dataset versions, and refuse what Kafka holds; without --apply only say it.

    Who: repeat the options for several. Consumers may run on. Killed, or run again, it does what is left to do, and the
    certificate tells all.
    """
    import datetime as dt

    from headrace.config import load
    from headrace.errors import UsageError
    from headrace_consumers import logs
    from headrace_consumers.dataset.steps import hook_from_environment
    from headrace_consumers.erasure.run import Erasure, Plan

    config = load(config_path)
    wanted = _wanted(config, subjects or [], pseudonyms or [], requests or [])
    if table is not None:
        dataset = config.dataset.model_copy(update={"path": table})
        config = config.model_copy(update={"dataset": dataset})
    now = dt.datetime.now(dt.UTC)
    path = (certificate or Path(f"erasure-{now:%Y%m%dT%H%M%SZ}.json")).absolute()
    if apply and path.exists():
        raise UsageError(f"--certificate {path}: is there already; give another")
    if apply and not path.parent.is_dir():
        raise UsageError(f"--certificate {path}: no such folder")
    for folder in versions or []:
        if not folder.is_dir():
            raise UsageError(f"--versions {folder}: no such folder")
    logs.configure("auto", "warning")
    with _shown(hook_from_environment()) as hook:
        erasure = Erasure(config, wanted, versions=versions, now=lambda: dt.datetime.now(dt.UTC), hook=hook)
        done = erasure.run(path) if apply else erasure.look()
    if isinstance(done, Plan):
        told = {"applied": False, "tables": _planned(done), "versions": _planned_versions(done)}
        print_json(told) if as_json else print_lines(_plan_lines(done, wanted))
    else:
        print_json({**done.as_dict(), "certificate": str(path)}) if as_json else print_lines(_certified(done, path))


@contextmanager
def _shown(hook: "Hook") -> "Iterator[Hook]":
    """Yield the hook; on a terminal one that shows meanwhile what is done, for it may take minutes."""
    if not sys.stderr.isatty():
        yield hook
        return
    from rich.console import Console
    from rich.status import Status

    with Status(_LOOKING, console=Console(stderr=True)) as line:

        def show(point: str) -> None:
            edge, _, step = point.partition(":")
            line.update(_DOING.get(step, _LOOKING) if edge == "before" else _LOOKING)
            hook(point)

        yield show


def _wanted(config: "Config", subjects: list[str], pseudonyms: list[str], requests: list[str]) -> "Wanted":
    from headrace.errors import UsageError
    from headrace.key_material import pseudonym_key
    from headrace.redaction import subject_pseudonym
    from headrace_consumers.erasure.choices import Wanted

    ids = [each for subject in subjects for each in ([subject] if subject != "-" else _of_stdin())]
    if not any(each.strip() for each in (*ids, *pseudonyms, *requests)):
        raise UsageError("erase: whom? Give --subject ID, --pseudonym P or --request ID")
    for pseudonym in pseudonyms:
        if not pseudonym.startswith(("hmac-sha256:", "sha256:")):
            raise UsageError(f"--pseudonym {pseudonym}: no pseudonym; headrace privacy pseudonym shows one of an id")
    key = pseudonym_key(config) if ids else None
    keyed = {subject_pseudonym(each, key) for each in ids}
    plain = {subject_pseudonym(each) for each in ids}  # a service may have had no key for a while
    told = {*keyed, *pseudonyms}
    return Wanted(frozenset(told | plain), frozenset(requests), frozenset(plain - told))


def _of_stdin() -> list[str]:
    return [line.rstrip("\r\n") for line in sys.stdin if line.strip()]


def _planned(plan: "Plan") -> list[dict[str, Any]]:
    return [
        {"path": str(path), "holds": name, "rows": dict(found.rows), "files": found.files}
        for name, (path, found) in plan.tables.items()
    ]


def _planned_versions(plan: "Plan") -> list[dict[str, Any]]:
    return [
        {"path": str(found.version.path), "examples": len(found.example_ids), "set_aside": found.lines}
        for found in plan.versions
    ]


def _plan_lines(plan: "Plan", wanted: "Wanted") -> list[str]:
    rows = [
        (
            name,
            count(found.rows.total()),
            f"in {count(found.files)} files",
            shares(found.rows) if name == "interactions" else "",
        )
        for name, (_, found) in plan.tables.items()
    ]
    return [
        f"would be removed, for {', '.join(sorted((*(wanted.subjects - wanted.untold), *wanted.requests)))}:",
        *columns(rows, right=frozenset({1})),
        *(
            f"{found.version.path}: {count(len(found.example_ids))} examples, {count(found.lines)} set aside"
            for found in plan.versions
        ),
        "nothing was changed; --apply does it",
    ]


def _certified(made: "Certificate", path: Path) -> list[str]:
    lines = [f"erased: {', '.join((*made.pseudonyms, *made.requests))}", ""]
    for table in made.tables:
        rows = sum(table.rows.values())
        by = f" ({shares(table.rows)})" if table.holds == "interactions" and rows else ""
        lines.append(f"{table.path}: {count(rows)} rows removed from {count(table.files)} files{by}")
        lines.append(f"  {count(table.deleted)} old files deleted; version {table.version} has none of the rows")
        if table.unreadable:
            lines.append(
                f"  {count(len(table.unreadable))} files that nobody names cannot be read; maintenance deletes them by "
                f"{made.unreadable_gone_by}"
            )
    lines += [
        f"{version.path}: {count(version.examples)} examples removed; its manifest is another now"
        for version in made.versions
    ]
    if any(table.keeps_deleted for table in made.tables):
        lines.append("the bucket keeps OLD VERSIONS of what was deleted: see below, not touched")
    lines += [
        "",
        f"records that come again are refused since {made.suppressed_since}",
        f"running consumers have forgotten the keys by {made.members_forget_by}",
        "",
        "Kafka still holds:",
        *columns([(f"  {hold.topic}", f"until {hold.gone_by}" if hold.gone_by else hold.why) for hold in made.kafka]),
        "",
        "not touched:",
        *(f"  {line}" for line in made.not_touched),
        "",
        f"certificate: {path}",
    ]
    return lines
