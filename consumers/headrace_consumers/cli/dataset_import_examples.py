"""`headrace dataset import-examples FILE...`: examples that somebody has already."""

from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.log_files import bad_line_figures, side_file
from headrace_consumers.cli.making_examples import SignatureClass, SignatureName, progress, reason_rows, target_from
from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import count, figures, print_json, print_lines
from headrace_consumers.cli.versions_place import Root
from headrace_consumers.cli.versions_tables import in_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from headrace.config import Config
    from headrace_consumers.versions.sources.entries import Format
    from headrace_consumers.versions.sources.mapping import FieldMapping
    from headrace_consumers.versions.sources.target import Target

__all__ = ["EXAMPLE", "import_examples"]

EXAMPLE: Final = (
    "Example: headrace dataset import-examples tickets.csv --signature app.triage:ClassifyTicket "
    "--map input.ticket=body --map output.queue=team"
)
_SIDE_FILE: Final = Path("import-examples.bad-entries.jsonl")


class FormatName(StrEnum):
    """The formats of files."""

    json = "json"
    jsonl = "jsonl"
    csv = "csv"


def import_examples(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSON, JSON Lines or CSV, plain or gzip.")],
    *,
    signature: SignatureName,
    signature_class: SignatureClass = None,
    mappings: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=MEMBER",
            show_default=False,
            help="Which member or column is a field: input.question=q, output.answer=a.text, category=topic, "
            "difficulty=level. The rest go by their own names. Repeatable.",
        ),
    ] = None,
    file_format: Annotated[
        FormatName | None, typer.Option("--format", show_default=False, help="Of the files; else told by them.")
    ] = None,
    bad_entries_path: Annotated[
        Path | None,
        typer.Option("--bad-entries", metavar="PATH", show_default=False, help="Where entries go that do not fit."),
    ] = None,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> int:
    """Add examples from files to those that wait for the next cut; importing a file twice adds nothing.

    An entry that does not fit the signature goes to a side file, with its number and the reason. Personal data and
    secrets are hidden as the configuration says. Where no class is given, the types are those in the files.
    """
    import time

    from headrace.config import load
    from headrace_consumers.versions.sources.entries import entries_of, format_of
    from headrace_consumers.versions.sources.importing import import_entries
    from headrace_consumers.versions.sources.making import Maker, redactor_of
    from headrace_consumers.versions.sources.mapping import FieldMapping
    from headrace_consumers.versions.sources.pool import Pool, pool_path

    config = in_root(load(config_path), root)
    mapping = FieldMapping.parse(mappings or [])
    bad_entries = side_file(bad_entries_path or _SIDE_FILE, files)
    formats: dict[Path, Format] = {
        path: file_format.value if file_format is not None else format_of(path) for path in files
    }
    target = _target(config, signature, signature_class, formats, mapping)
    mapping.check(target)
    maker = Maker(target, redactor_of(config), lambda: int(time.time() * 1000))
    path = pool_path(Path(config.versions.path), target.name, "import")
    with closing(bad_entries), progress("entries", None) as tell:
        entries = (entry for each, form in formats.items() for entry in entries_of(each, form))
        imported = import_entries(
            entries,
            mapping,
            maker,
            Pool(path),
            bad_entries,
            on_step=lambda now: tell(now.read, f"{count(now.added)} added"),
        )
    if as_json:
        print_json(
            {
                "signature": target.name,
                "path": str(path),
                "read": imported.read,
                "added": imported.added,
                "known": imported.known,
                "mapped_to_nothing": sorted(imported.lacking or ()),
                "redactions": dict(maker.redactions),
                "bad_entries": dict(bad_entries.reasons),
                "bad_entries_path": str(bad_entries.path) if bad_entries.reasons else None,
            }
        )
    else:
        _, *bad = bad_line_figures(bad_entries)[0]
        rows = [
            ("entries read", count(imported.read), f"for {target.name}"),
            ("added", count(imported.added), f"to {path}" if imported.added else ""),
            ("there already", count(imported.known), ""),
            *reason_rows({"redacted": maker.redactions}),
            *(("mapped to nothing", "", f"no entry has it: --map {each}") for each in sorted(imported.lacking or ())),
            ("bad entries", bad[0], bad[1]),
        ]
        print_lines(figures(rows))
    return int(imported.added + imported.known == 0 and bad_entries.reasons.total() > 0)


def _target(
    config: "Config",
    signature: str,
    class_path: str | None,
    formats: "Mapping[Path, Format]",
    mapping: "FieldMapping",
) -> "Target":
    """Return the signature: of its class, of examples that are there, else of the files themselves.

    Raises:
        UsageError: nothing tells which fields are inputs and which are outputs.
    """
    from headrace.errors import UsageError
    from headrace_consumers.versions.sources.entries import entries_of
    from headrace_consumers.versions.sources.target import inferred

    try:
        return target_from(config, signature, class_path)
    except UsageError:
        if class_path is not None or ":" in signature:
            raise
    found: Iterator[Any] = (
        mapping.sides(entry.value)
        for path, form in formats.items()
        for entry in entries_of(path, form)
        if entry.value is not None
    )
    return inferred(signature, (sides for sides in found if sides is not None))
