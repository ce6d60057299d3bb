"""Opening the Delta table, or creating it where there is none; and that its columns are those of a Headrace dataset."""

import contextlib
import json
from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError

from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.rows import PARTITION_COLUMN, ROW_SCHEMA
from headrace_consumers.dataset.store import fsync_file, fsync_folder, make_private_folder

__all__ = ["one_line", "open_or_create", "reopen"]

CHECKPOINT_INTERVAL: Final = 100


def open_or_create(path: Path) -> DeltaTable:
    """Return the newest version of the table at `path`, a local folder.

    Raises:
        TableError: the path is no table and cannot become one.
    """
    if "://" in str(path):
        raise TableError(f"dataset.path: {path} is no local folder; this release writes to local disks only")
    try:
        return _insist_on_columns(DeltaTable(str(path)), path)
    except TableNotFoundError:
        pass
    except (DeltaError, OSError) as error:
        raise TableError(f"{path}: cannot open the table ({one_line(error)})") from error
    try:
        make_private_folder(path)
        table = DeltaTable.create(
            str(path),
            ROW_SCHEMA,
            mode="ignore",
            partition_by=[PARTITION_COLUMN],
            name="headrace interactions",
            configuration={"delta.checkpointInterval": str(CHECKPOINT_INTERVAL)},
        )
        fsync_file(path / "_delta_log" / f"{0:020}.json")
        for folder in (path / "_delta_log", path, path.parent):
            fsync_folder(folder)
    except (DeltaError, OSError) as error:
        try:
            return DeltaTable(str(path))  # another member was first
        except (DeltaError, OSError):
            raise TableError(f"{path}: cannot create the table ({one_line(error)})") from error
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


def _insist_on_columns(table: DeltaTable, path: Path) -> DeltaTable:
    missing = _missing(table)
    if missing and all(ROW_SCHEMA.field(name).nullable for name in missing):
        # A table of an older release: its rows have no value there. Where another member was first, that is as good.
        added = Schema.from_arrow(pa.schema([ROW_SCHEMA.field(name) for name in missing])).fields
        with contextlib.suppress(DeltaError, OSError):
            table.alter.add_columns(added)
        table = DeltaTable(str(path))
        missing = _missing(table)
    if missing:
        raise TableError(
            f"{path}: this Delta table is not a Headrace dataset (it lacks {', '.join(sorted(missing)[:3])}, ...); "
            "give another dataset.path"
        )
    return table


def _missing(table: DeltaTable) -> list[str]:
    present = {field.name for field in table.schema().fields}
    return [name for name in ROW_SCHEMA.names if name not in present]
