"""Opening the Delta table, or creating it where there is none; and that its columns are those of a Headrace dataset."""

import contextlib
import json
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError

from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.layout import Layout
from headrace_consumers.dataset.place import PARTITION_COLUMN
from headrace_consumers.dataset.store import fsync_folder, make_private_folder
from headrace_consumers.dataset.table_lock import TableLock
from headrace_consumers.dataset.table_log import LINES_KEY, fsync_entries
from headrace_consumers.dataset.torn import set_torn_aside, set_torn_checkpoint_aside, torn_commits

__all__ = ["one_line", "open_or_create", "reopen"]


def open_or_create(path: Path, layout: Layout) -> tuple[DeltaTable, TableLock]:
    """Return the newest version of the table at `path`, a local folder, and this process's share in its lock.

    What a power cut tore at the log's end is set aside first.

    Raises:
        TableError: the path is no table and cannot become one, or its log is damaged.
    """
    if "://" in str(path):
        raise TableError(f"dataset.path: {path} is no local folder; this release writes to local disks only")
    try:
        lock = TableLock(path)
        with lock.opening():
            if torn := torn_commits(path):
                if not lock.is_alone():
                    raise TableError(
                        f"{path}: the last commit is torn, and others have the table open; stop them first"
                    )
                set_torn_aside(path, torn)
            return _open(path, lock, layout), lock
    except (DeltaError, OSError) as error:
        raise TableError(f"{path}: cannot open the table ({one_line(error)})") from error


def _open(path: Path, lock: TableLock, layout: Layout) -> DeltaTable:
    try:
        return _as_of_this_release(DeltaTable(str(path)), path, layout)
    except TableNotFoundError:
        return _create(path, layout)
    except DeltaError:
        if not (lock.is_alone() and set_torn_checkpoint_aside(path)):
            raise
        return _as_of_this_release(DeltaTable(str(path)), path, layout)


def _create(path: Path, layout: Layout) -> DeltaTable:
    make_private_folder(path / "_delta_log")
    table = DeltaTable.create(
        str(path),
        layout.schema,
        mode="ignore",
        partition_by=[PARTITION_COLUMN],
        name=layout.name,
        configuration=layout.properties,
        commit_properties=CommitProperties(custom_metadata={LINES_KEY: "2"}),  # protocol and metaData
    )
    fsync_entries(path, -1, 0)
    for folder in (path, path.parent):
        fsync_folder(folder)
    return table


def reopen(path: Path) -> DeltaTable:
    """Return the newest version of a table that exists.

    Raises:
        TableError: the log cannot be read.
    """
    try:
        return DeltaTable(str(path))
    except (DeltaError, OSError) as error:
        raise TableError(f"{path}: cannot read the table ({one_line(error)})") from error


def one_line(error: BaseException) -> str:
    """Return what the error says, as one short line without control characters."""
    return json.dumps(" ".join(str(error).split())[:200])[1:-1] or type(error).__name__


def _as_of_this_release(table: DeltaTable, path: Path, layout: Layout) -> DeltaTable:
    missing = _missing(table, layout)
    if missing and all(layout.schema.field(name).nullable for name in missing):
        # A table of an older release: its rows have no value there. Where another member was first, that is as good.
        added = Schema.from_arrow(pa.schema([layout.schema.field(name) for name in missing])).fields
        with contextlib.suppress(DeltaError, OSError):
            table.alter.add_columns(added)
        table = DeltaTable(str(path))
        missing = _missing(table, layout)
    if missing:
        raise TableError(
            f"{path}: this Delta table does not hold {layout.name} (it lacks {', '.join(sorted(missing)[:3])}, ...); "
            "give another dataset.path"
        )
    if not layout.properties.items() <= table.metadata().configuration.items():
        with contextlib.suppress(DeltaError, OSError):  # as above
            table.alter.set_table_properties(layout.properties)
        table = DeltaTable(str(path))
    return table


def _missing(table: DeltaTable, layout: Layout) -> list[str]:
    present = {field.name for field in table.schema().fields}
    return [name for name in layout.schema.names if name not in present]
