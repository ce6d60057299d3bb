"""Opening the Delta table, or creating it where there is none; and that its columns are those of a Headrace dataset."""

import contextlib

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError

from headrace_consumers.dataset.delta.error_line import one_line
from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.store import Share, Store
from headrace_consumers.dataset.delta.table_log import LINES_KEY
from headrace_consumers.dataset.errors import TableError

__all__ = ["is_table", "one_line", "open_or_create", "reopen"]


def open_or_create(store: Store, layout: Layout) -> tuple[DeltaTable, Share]:
    """Return the newest version of the table in a store, and what this process holds of it.

    Raises:
        TableError: there is no table and cannot become one, its log is damaged, or nobody may write to the store.
    """
    try:
        return store.open_for_writing(lambda: _open(store, layout))
    except (DeltaError, OSError) as error:
        raise TableError(f"{store.place}: cannot open the table ({one_line(error)})") from error


def _open(store: Store, layout: Layout) -> DeltaTable:
    try:
        table = store.handle()
    except TableNotFoundError:
        return _create(store, layout)
    return _as_of_this_release(table, store, layout)


def _create(store: Store, layout: Layout) -> DeltaTable:
    table = DeltaTable.create(
        str(store.place),
        layout.schema,
        mode="ignore",
        partition_by=[PARTITION_COLUMN],
        name=layout.name,
        configuration=layout.properties,
        storage_options=None if store.options is None else dict(store.options),
        commit_properties=CommitProperties(custom_metadata={LINES_KEY: "2"}),  # protocol and metaData
    )
    store.sync_log(-1, 0)
    return table


def is_table(store: Store) -> bool:
    """Tell whether there is a Delta table.

    Raises:
        TableError: nobody can tell: the store is away, or refuses.
    """
    try:
        return store.is_table()
    except (DeltaError, OSError) as error:
        raise TableError(
            f"{store.place}: cannot be read ({one_line(error)}); check dataset.path and dataset.storage_options"
        ) from error


def reopen(store: Store) -> DeltaTable:
    """Return the newest version of a table that exists.

    Raises:
        TableError: the log cannot be read.
    """
    try:
        return store.handle()
    except (DeltaError, OSError) as error:
        raise TableError(f"{store.place}: cannot read the table ({one_line(error)})") from error


def _as_of_this_release(table: DeltaTable, store: Store, layout: Layout) -> DeltaTable:
    missing = _missing(table, layout)
    if missing and all(layout.schema.field(name).nullable for name in missing):
        # A table of an older release: its rows have no value there. Where another member was first, that is as good.
        added = Schema.from_arrow(pa.schema([layout.schema.field(name) for name in missing])).fields
        with contextlib.suppress(DeltaError, OSError):
            table.alter.add_columns(added)
        table = store.handle()
        missing = _missing(table, layout)
    if missing:
        raise TableError(
            f"{store.place}: this Delta table does not hold {layout.name} "
            f"(it lacks {', '.join(sorted(missing)[:3])}, ...); give another dataset.path"
        )
    if not layout.properties.items() <= table.metadata().configuration.items():
        with contextlib.suppress(DeltaError, OSError):  # as above
            table.alter.set_table_properties(layout.properties)
        table = store.handle()
    return table


def _missing(table: DeltaTable, layout: Layout) -> list[str]:
    present = {field.name for field in table.schema().fields}
    return [name for name in layout.schema.names if name not in present]
