"""Reading keys out of a version of the table, in bounded batches; files that cannot hold what is asked are skipped."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

__all__ = ["all_key_batches", "key_batches_from"]

SCAN_ROWS: Final = 200_000
_KEY: Final = "dedup_key"


def all_key_batches(table: DeltaTable, root: Path) -> Iterator[pa.Array]:
    """Yield the dedup keys of all rows."""
    paths = [root / str(path) for path in pa.table(table.get_add_actions())["path"].to_pylist()]
    return _scan(paths, [_KEY], None)


def key_batches_from(
    table: DeltaTable, root: Path, topic_id: str, partition: int, from_offset: int
) -> Iterator[pa.Array]:
    """Yield the dedup keys of a partition's rows from an offset on."""
    wanted = (
        (pc.field("topic_id") == topic_id) & (pc.field("partition") == partition) & (pc.field("offset") >= from_offset)
    )
    paths = [
        root / action["path"]
        for action in pa.table(table.get_add_actions(flatten=True)).to_pylist()
        if _may_hold(action, "topic_id", topic_id, topic_id)
        and _may_hold(action, "partition", partition, partition)
        and _may_hold(action, "offset", from_offset, None)
    ]
    return _scan(paths, [_KEY, "topic_id", "partition", "offset"], wanted)


def _scan(paths: Sequence[Path], columns: Sequence[str], wanted: pc.Expression | None) -> Iterator[pa.Array]:
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(SCAN_ROWS, columns=list(columns)):
                rows = pa.Table.from_batches([batch])
                rows = rows if wanted is None else rows.filter(wanted)
                if rows.num_rows:
                    yield rows[_KEY].combine_chunks()


def _may_hold(action: Mapping[str, object], column: str, low: object, high: object) -> bool:
    smallest, largest = action.get(f"min.{column}"), action.get(f"max.{column}")
    if smallest is None or largest is None:
        return True  # no statistics: look inside
    return largest >= low and (high is None or smallest <= high)  # type: ignore[operator]
