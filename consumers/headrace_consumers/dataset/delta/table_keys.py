"""Reading keys out of a version of the table, in bounded batches; files that cannot hold what is asked are skipped."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from headrace_consumers.dataset.delta.place import PARTITION_COLUMN
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.seen.fingerprints import KEY_LENGTH, Digits, to_digits

__all__ = ["KeyRows", "all_key_rows", "key_rows_from"]

SCAN_ROWS: Final = 200_000
_KEY: Final = "dedup_key"
_COLUMNS: Final = (_KEY, "topic_id", "partition", "offset")
_EPOCH: Final = dt.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class KeyRows:
    """Some rows' keys and where they were read from.

    Attributes:
        rows: dedup_key, topic_id, partition, offset.
        day: their ingest date, days since 1970.
    """

    rows: pa.Table
    day: int

    @property
    def keys(self) -> list[str]:
        """The dedup keys."""
        return list(self.rows[_KEY].to_pylist())

    @property
    def digits(self) -> Digits:
        """The dedup keys' characters, shape (n, KEY_LENGTH)."""
        return to_digits(self.rows[_KEY].combine_chunks())

    def were_read_from(self, topic_id: str, partition: int) -> npt.NDArray[np.bool_]:
        """Tell which rows came from a partition, shape (n,)."""
        came = pc.and_(pc.equal(self.rows["topic_id"], topic_id), pc.equal(self.rows["partition"], partition))
        return np.asarray(came.to_numpy(), np.bool_)

    def __len__(self) -> int:
        return int(self.rows.num_rows)


def all_key_rows(table: DeltaTable, store: Store) -> Iterator[KeyRows]:
    """Yield the keys of all rows."""
    return _scan(_files(table), store, None)


def key_rows_from(
    table: DeltaTable, store: Store, topic_id: str, partition: int, from_offset: int
) -> Iterator[KeyRows]:
    """Yield the keys of a partition's rows from an offset on."""
    wanted = (
        (pc.field("topic_id") == topic_id) & (pc.field("partition") == partition) & (pc.field("offset") >= from_offset)
    )
    files = [
        file
        for file in _files(table)
        if _may_hold(file, "topic_id", topic_id, topic_id)
        and _may_hold(file, "partition", partition, partition)
        and _may_hold(file, "offset", from_offset, None)
    ]
    return _scan(files, store, wanted)


def _files(table: DeltaTable) -> list[Mapping[str, object]]:
    return list(pa.table(table.get_add_actions(flatten=True)).to_pylist())


def _scan(files: Sequence[Mapping[str, object]], store: Store, wanted: pc.Expression | None) -> Iterator[KeyRows]:
    for file in files:
        date = file[f"partition.{PARTITION_COLUMN}"]
        day = (date - _EPOCH).days if isinstance(date, dt.date) else 0
        with pq.ParquetFile(store.source(str(file["path"]))) as parquet:
            for batch in parquet.iter_batches(SCAN_ROWS, columns=list(_COLUMNS)):
                rows = pa.Table.from_batches([batch])
                rows = rows if wanted is None else rows.filter(wanted)
                rows = rows.filter(pc.equal(pc.binary_length(rows[_KEY]), KEY_LENGTH))  # no other is a message's key
                if rows.num_rows:
                    yield KeyRows(rows, day)


def _may_hold(file: Mapping[str, object], column: str, low: object, high: object) -> bool:
    smallest, largest = file.get(f"min.{column}"), file.get(f"max.{column}")
    if smallest is None or largest is None:
        return True  # no statistics: look inside
    return largest >= low and (high is None or smallest <= high)  # type: ignore[operator]
