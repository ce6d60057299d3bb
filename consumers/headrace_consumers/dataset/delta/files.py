"""Parquet files of a batch, on disk for good before the table names them."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.store import Store

__all__ = [
    "ROW_GROUP_ROWS",
    "DataFile",
    "new_name",
    "statistics",
    "write_files",
]

ROW_GROUP_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True)
class DataFile:
    """A written file.

    Attributes:
        path: relative to the table.
        size_bytes: exact; Delta readers rely on it.
        partition_value: the ingest date, ISO 8601.
        statistics: Delta's statistics as JSON.
    """

    path: str
    size_bytes: int
    partition_value: str
    statistics: str


def write_files(store: Store, rows: pa.Table, layout: Layout) -> list[DataFile]:
    """Write one file for each ingest date, and return when disk has them.

    Args:
        store: takes them.
        rows: in the order of the layout.
        layout: the table's.

    Raises:
        OSError: the disk refused; nothing that was written is part of the table.
    """
    files = []
    dates = pc.unique(rows[PARTITION_COLUMN]).to_pylist()
    for date in dates:
        value = date.isoformat()
        # Nearly always it is one date, and a filter would copy all rows.
        of_date = rows if len(dates) == 1 else rows.filter(pc.equal(rows[PARTITION_COLUMN], pa.scalar(date)))
        chosen = of_date.drop_columns([PARTITION_COLUMN])
        name = new_name(value)
        pq.write_table(
            chosen,
            store.stage(name),
            row_group_size=ROW_GROUP_ROWS,
            **layout.writer_options,
        )
        bounds = {column: pc.min_max(chosen[column]).as_py() for column in layout.bounded}
        files.append(DataFile(name, store.publish(name), value, statistics(chosen.num_rows, bounds)))
    return files


def new_name(date: str) -> str:
    """Return a name that no other file has, for rows of an ingest date (ISO 8601)."""
    return f"{PARTITION_COLUMN}={date}/{uuid.uuid4().hex}.parquet"


def statistics(rows: int, bounds: Mapping[str, Mapping[str, Any]]) -> str:
    """Return Delta's statistics of a file as JSON.

    Args:
        rows: how many it holds.
        bounds: column without nulls -> its ``min`` and ``max``.
    """
    return json.dumps(
        {
            "numRecords": rows,
            "minValues": {name: bound["min"] for name, bound in bounds.items()},
            "maxValues": {name: bound["max"] for name, bound in bounds.items()},
            "nullCount": dict.fromkeys(bounds, 0),
        }
    )
