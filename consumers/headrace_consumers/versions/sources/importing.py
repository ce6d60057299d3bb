"""Examples from files: entries -> fields by the mapping -> checked, redacted -> the pool; the rest to a side file."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from headrace_consumers.history.bad_lines import BadLines
from headrace_consumers.history.lines import LogLine
from headrace_consumers.versions.sources.entries import Entry
from headrace_consumers.versions.sources.making import Maker
from headrace_consumers.versions.sources.mapping import FieldMapping
from headrace_consumers.versions.sources.pool import Pool
from headrace_consumers.versions.sources.target import ExampleError
from headrace_schemas.dataset_files import SourceLine

__all__ = ["Imported", "import_entries"]

_BATCH: Final = 1000
_KEPT: Final = ("source", "notes")
"""What the older tool says of an example beside category and difficulty."""


@dataclass(slots=True)
class Imported:
    """How far it came.

    Attributes:
        read: entries.
        added: examples, on disk.
        known: entries that were there already.
        lacking: options of the mapping whose member no entry has; None: there was no entry.
    """

    read: int = 0
    added: int = 0
    known: int = 0
    lacking: set[str] | None = None


def import_entries(
    entries: Iterable[Entry],
    mapping: FieldMapping,
    maker: Maker,
    pool: Pool,
    bad_entries: BadLines,
    *,
    on_step: Callable[[Imported], None] = lambda _: None,
) -> Imported:
    """Append what the entries hold to the pool; importing them again adds nothing.

    Args:
        entries: of files.
        mapping: which member is which field.
        maker: makes lines of them.
        pool: where they go.
        bad_entries: where those go that are no examples.
        on_step: told after each thousand.

    Raises:
        PoolError: it cannot be written; what was imported before stays.
        LogFileError: a file cannot be read on, or the side file cannot be written; likewise.
    """
    imported = Imported()
    for batch in _batches(entries):
        lines: list[SourceLine] = []
        for entry in batch:
            imported.read += 1
            if entry.value is not None and imported.lacking != set():
                lacking = mapping.lacking(entry.value)
                imported.lacking = lacking if imported.lacking is None else imported.lacking & lacking
            try:
                lines.append(_line(entry, mapping, maker))
            except ExampleError as error:
                content = LogLine(entry.path, entry.number, entry.content)
                bad_entries.add(content, error.reason, error.detail)
        added = pool.append(lines)
        imported.added += added
        imported.known += len(lines) - added
        on_step(imported)
    return imported


def _line(entry: Entry, mapping: FieldMapping, maker: Maker) -> SourceLine:
    if entry.value is None:
        raise ExampleError("unreadable", entry.problem or "no object")
    metadata: dict[str, Any] = {"file": entry.path.name, "entry": entry.number}
    own = entry.value.get("metadata")
    if isinstance(own, dict):
        metadata |= {f"imported_{name}": own[name] for name in _KEPT if isinstance(own.get(name), str)}
        metadata = maker.redactor.value(metadata, maker.redactions)
    return maker.line(mapping.proposal(entry.value, maker.target, is_text=entry.is_text), metadata)


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield so many at a time; those before an error are yielded before it is raised."""
    batch: list[Entry] = []
    try:
        for entry in entries:
            batch.append(entry)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    except Exception:
        yield batch
        raise
    yield batch
