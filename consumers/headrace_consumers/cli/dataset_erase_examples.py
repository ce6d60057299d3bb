"""`headrace dataset erase-examples`: a person's words out of examples that no call gave, and of changes by hand."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import count, print_json, print_lines
from headrace_consumers.cli.versions_place import Root, Signature, root_of

if TYPE_CHECKING:
    from headrace_consumers.versions.erasing.words import Found

__all__ = ["EXAMPLE", "erase_examples"]

EXAMPLE: Final = "Example: headrace dataset erase-examples -s ClassifyTicket --containing 'Ann Lee', then with --apply"

_ID: Final = re.compile(r"[0-9a-f]{8,64}")


def erase_examples(
    *,
    signature: Signature,
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]...", show_default=False, help="Of examples, or their first eight digits and more."
        ),
    ] = None,
    containing: Annotated[
        list[str] | None,
        typer.Option(
            "--containing", metavar="TEXT", show_default=False, help="Whatever holds this, in any case. Repeatable."
        ),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; else only say what would be done.")] = False,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Remove examples added by hand, imported, mined or synthetic from sources and versions; also edits that hold it.

    Calls stay: headrace erase takes a person's calls out of tables and versions. Without --apply it only says what
    there is. Killed, or run again, it does what is left to do.
    """
    import datetime as dt
    import secrets

    from headrace.datasets.place import signature_folder
    from headrace.errors import UsageError
    from headrace_consumers.dataset.steps import hook_from_environment
    from headrace_consumers.versions.erasing import words

    texts = [each.strip() for each in containing or []]
    if not ids and not texts:
        raise UsageError("erase-examples: which? Give ids, or --containing TEXT")
    if any(not each for each in texts):
        raise UsageError("--containing: is empty, and everything holds that; give a text")
    for each in ids or []:
        if not _ID.fullmatch(each):
            raise UsageError(f"{each[:70]}: no example's id; expected 8 to 64 hex digits, as example_id has them")
    folder = signature_folder(root_of(root, config_path), signature)
    if not folder.is_dir():
        raise UsageError(f"{folder}: is not there; headrace versions ls shows what is")
    sought = words.Sought(tuple(ids or ()), tuple(texts))
    if apply:
        now = dt.datetime.now(dt.UTC)
        found = words.apply(
            folder,
            sought,
            erasure_id=secrets.token_hex(16),
            at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            hook=hook_from_environment(steps=_STEPS),
        )
    else:
        found = words.look(folder, sought)
    print_json(_told(found, is_applied=apply)) if as_json else print_lines(_lines(found, is_applied=apply))


_STEPS: Final = ("pools", "edits", "version-rewrite", "version-exchange", "version-tidy")


def _told(found: "Found", *, is_applied: bool) -> dict[str, Any]:
    return {
        "applied": is_applied,
        "sources": [{"path": str(path), "lines": numbers} for path, numbers in found.lines.items()],
        "edits": found.edits,
        "versions": [{"path": str(each.version.path), "examples": sorted(each.example_ids)} for each in found.versions],
    }


def _lines(found: "Found", *, is_applied: bool) -> list[str]:
    if found.is_empty:
        return ["nothing of it is there"]
    lines = ["removed:" if is_applied else "would be removed:"]
    lines += [
        f"  {path}: {count(len(numbers))} examples, lines {_some(numbers)}" for path, numbers in found.lines.items()
    ]
    if found.edits:
        lines.append(f"  edits.jsonl: {count(len(found.edits))} changes by hand, lines {_some(found.edits)}")
    lines += [f"  {each.version.path}: {count(len(each.example_ids))} examples" for each in found.versions]
    if not is_applied:
        return [*lines, "nothing was changed; --apply does it"]
    return [*lines, "not touched: exports, other folders of versions, and the files that were imported"]


def _some(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return f"{shown}, ..." if len(numbers) > 10 else shown  # noqa: PLR2004  # as many as are shown
