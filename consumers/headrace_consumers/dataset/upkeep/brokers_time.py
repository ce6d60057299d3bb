"""How far the brokers' clock has come, as a table tells: when they took in its newest rows."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.upkeep.maintenance_plan import ActiveFile

__all__ = ["brokers_time"]

_COLUMN: Final = "ingested_at"


def brokers_time(store: Store, files: Sequence[ActiveFile]) -> dt.datetime | None:
    """Return when Kafka took in the newest row of the newest file, UTC: its clock shows at least that.

    Args:
        store: holds the files.
        files: of the table. None is returned if there are none, or the newest cannot be read.
    """
    if not files:
        return None
    newest = max(files, key=lambda file: (file.date, file.written_at))
    try:
        column = pq.read_table(store.source(newest.path), columns=[_COLUMN])[_COLUMN]
    except (pa.ArrowException, OSError, KeyError):
        return None
    found: dt.datetime | None = pc.max(column).as_py()
    return found
