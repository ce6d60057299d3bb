"""`headrace versions export`: a version in the formats of others."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import count, print_json, print_lines
from headrace_consumers.cli.versions_place import Root, Signature, VersionName, root_of, version_of

__all__ = ["EXAMPLE", "export"]

EXAMPLE: Final = "Example: headrace versions export -s ClassifyTicket v3 --format hf --to tickets"


class FormatName(StrEnum):
    """The formats."""

    hf = "hf"
    openai_chat = "openai-chat"
    jsonl = "jsonl"
    csv = "csv"


def export(
    version: VersionName = "latest",
    *,
    signature: Signature,
    file_format: Annotated[
        FormatName, typer.Option("--format", show_default=False, help="hf is a folder for Hugging Face's datasets.")
    ],
    to: Annotated[Path, typer.Option(metavar="FOLDER", show_default=False, help="A folder that is not there yet.")],
    signature_class: Annotated[
        str | None,
        typer.Option(
            "--signature-class",
            metavar="MODULE:CLASS",
            show_default=False,
            help="Of openai-chat: messages as DSPy's ChatAdapter makes them of it; else plain JSON.",
        ),
    ] = None,
    root: Root = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Write a version's examples for other tools; an erasure does not reach what was exported."""
    from headrace_consumers.versions.exporting.chat import adapter_messages, plain_messages
    from headrace_consumers.versions.exporting.export import export as write

    meant = version_of(root_of(root, config_path), signature, version)
    messages = plain_messages if signature_class is None else adapter_messages(_class(signature_class, file_format))
    counts = write(meant, to, file_format.value, messages)
    if as_json:
        print_json({"version": meant.name, "path": str(to), "examples": counts})
        return
    print_lines([f"{to / name}: {count(number)} examples" for name, number in counts.items()])


def _class(path: str, file_format: FormatName) -> Any:
    from headrace.errors import UsageError, require_dspy
    from headrace_consumers.versions.sources.target import load_object

    if file_format is not FormatName.openai_chat:
        raise UsageError(f"--signature-class: only openai-chat has a use for it, found --format {file_format.value}")
    require_dspy()
    import dspy

    found = load_object("--signature-class", path)
    if not (isinstance(found, type) and issubclass(found, dspy.Signature)):
        raise UsageError(f"--signature-class {path}: found {type(found).__name__}, expected a dspy.Signature class")
    return found
