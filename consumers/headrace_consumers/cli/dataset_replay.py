"""`headrace dataset replay`: a version made again from its manifest, and compared with what it was."""

import errno
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import columns, count, print_json, print_lines
from headrace_consumers.cli.versions_place import Root, Signature, VersionName, root_of, version_of
from headrace_consumers.cli.versions_tables import for_a_cut, in_root, opened_tables, shown_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace_consumers.versions.replaying.comparing import Gone, Replayed

__all__ = ["EXAMPLE", "replay"]

EXAMPLE: Final = "Example: headrace dataset replay -s ClassifyTicket v3"

_MOST: Final = 20
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def replay(
    *,
    signature: Signature,
    version: VersionName = "latest",
    into: Annotated[
        Path | None, typer.Option(metavar="DIR", show_default=False, help="Keep the files that are made, here.")
    ] = None,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Make a version again from its manifest, and compare it byte by byte; nothing of it is changed.

    What retention or erasure has taken from the table is named. Exit code 1 where anything differs.
    """
    for_a_cut()
    from headrace.config import load
    from headrace_consumers.versions.replaying.replay import replay as make_again

    config = in_root(load(config_path), root)
    meant = version_of(root_of(root, config_path), signature, version)
    with opened_tables(config) as tables, _room(meant.path.parent, into) as (kept, work), shown_progress() as progress:
        found = make_again(meant.path, tables, kept, work, progress=progress)
    if as_json:
        print_json(_replay_told(found, meant.path, into))
    else:
        print_lines(_replay_lines(found, f"{signature} {meant.name}"))
    if not found.is_same:
        raise typer.Exit(1)


@contextmanager
def _room(signature_folder: Path, into: Path | None) -> "Iterator[tuple[Path, Path]]":
    """Yield an empty folder for the files and one for what is spilled: beside the versions, where it may be written."""
    from tempfile import TemporaryDirectory

    from headrace_consumers.versions.errors import VersionsError
    from headrace_consumers.versions.shelf.publishing import workplace

    kept = None if into is None else _new_folder(into)
    with ExitStack() as stack:
        try:
            place = stack.enter_context(workplace(signature_folder))
            made, work = place.folder, place.work
        except VersionsError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _READ_ONLY:
                raise
            beside = Path(stack.enter_context(TemporaryDirectory(prefix="headrace-replay-")))
            made, work = beside / "made", beside / "work"
            made.mkdir()
            work.mkdir()
        yield kept or made, work


def _new_folder(path: Path) -> Path:
    from headrace.errors import UsageError

    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--into {path}: cannot be made ({error.strerror})") from None
    if any(path.iterdir()):
        raise UsageError(f"--into {path}: is not empty; give another folder")
    return path


def _replay_told(found: "Replayed", version: Path, into: Path | None) -> dict[str, Any]:
    return {
        "is_same": found.is_same,
        "version": str(version),
        "examples": found.examples,
        "files": found.files,
        "changed": found.changed,
        "gone": [gone.as_dict() for gone in found.gone],
        "others": found.others,
        "more": found.more,
        "notes": found.notes,
        "into": None if into is None else str(into),
    }


def _replay_lines(found: "Replayed", name: str) -> list[str]:
    same = "the same, byte by byte" if found.is_same else "NOT the same"
    lines = [f"{name}: made again, {count(found.examples)} examples: {same}", ""]
    lines += columns([(f"  {file}", "same" if is_same else "DIFFERS") for file, is_same in found.files.items()])
    lines += [""] * bool(found.changed) + [f"CHANGED: {line}" for line in found.changed]
    of_table = [gone for gone in found.gone if gone.source == "telemetry"]
    of_pools = [gone for gone in found.gone if gone.source != "telemetry"]
    for gone, where in (
        (of_table, "the table: retention or erasure took them"),
        (of_pools, "their source's file: an erasure or somebody took them"),
    ):
        if gone:
            lines += ["", f"{count(len(gone))} examples are gone from {where}"]
            lines += columns([_gone_row(each) for each in gone[:_MOST]])
    for what, ids in (
        ("differ: copies, feedback or edits are others than then", found.others),
        ("are new", found.more),
    ):
        if ids:
            lines += ["", f"{count(len(ids))} examples {what}", *(f"  {each}" for each in ids[:_MOST])]
    if max(len(found.gone), len(found.others), len(found.more)) > _MOST:
        lines.append("... --json lists all")
    return lines + [""] * bool(found.notes) + [f"note: {note}" for note in found.notes]


def _gone_row(gone: "Gone") -> tuple[str, str, str]:
    place = "" if gone.topic is None else f"{gone.topic}/{gone.partition} offset {gone.offset}"
    return f"  {gone.example_id}", gone.source, place
