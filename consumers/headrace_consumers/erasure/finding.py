"""The rows of one Parquet file that go, with memory for a stretch of it."""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from headrace_consumers.dataset.delta.store import Sink
from headrace_consumers.erasure.choices import Choice

__all__ = ["rows_that_go"]

_ROWS: Final = 65_536


def rows_that_go(source: Sink, choice: Choice, columns: Sequence[str] = ()) -> pa.Table:
    """Return the rows of a file that go.

    Args:
        source: the file; a column that it lacks is null in all of its rows.
        choice: which go.
        columns: what is returned of them; they are read only where there are any.

    Raises:
        OSError, ArrowException: it cannot be read.
    """
    with pq.ParquetFile(source, pre_buffer=False) as file:
        present = set(file.schema_arrow.names)
        groups = [
            group
            for group in range(file.metadata.num_row_groups)
            if any(_chosen(batch, choice).num_rows for batch in _batches(file, choice.columns, present, group))
        ]
        wanted = [*dict.fromkeys((*choice.columns, *columns))]
        parts = [_chosen(batch, choice) for group in groups for batch in _batches(file, wanted, present, group)]
    if not parts:
        return pa.table({name: pa.array([], pa.string()) for name in wanted})
    return pa.concat_tables(parts)


def _batches(file: pq.ParquetFile, columns: Sequence[str], present: set[str], group: int) -> list[pa.Table]:
    found = []
    for batch in file.iter_batches(_ROWS, row_groups=[group], columns=[name for name in columns if name in present]):
        nulls = pa.nulls(batch.num_rows, pa.string())
        read = pa.Table.from_batches([batch])
        found.append(pa.table({name: read[name].cast(pa.string()) if name in present else nulls for name in columns}))
    return found


def _chosen(rows: pa.Table, choice: Choice) -> pa.Table:
    return rows.filter(choice.of(rows))
