"""Which files of a group that could not be merged are to blame: each is tried by itself, so that the others go on.

    footers of all -> none is wrong: each file read whole, by the very code that merges

As a merge does, it yields after each row group, and holds one of them.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from headrace_consumers.dataset.delta.layout import Layout
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.errors import TableError
from headrace_consumers.dataset.upkeep.maintenance_plan import ActiveFile
from headrace_consumers.dataset.upkeep.merge import Merge

__all__ = ["culprits", "is_of_one_file"]

_Attempt: TypeAlias = Callable[[ActiveFile], Iterator[None]]


def culprits(
    store: Store, group: Sequence[ActiveFile], schema: pa.Schema, layout: Layout
) -> Generator[None, None, dict[str, Exception]]:
    """Return path -> what is wrong with it, of the files that fail alone; none where they only fail together.

    Args:
        store: holds them.
        group: failed when they were merged.
        schema: of the file that was to be written.
        layout: the table's.

    Raises:
        OSError: the store refused, or lets none of them be read, so nothing is known of the files.
    """

    def read_footer(file: ActiveFile) -> Iterator[None]:
        with pq.ParquetFile(store.source(file.path), pre_buffer=False) as opened:
            _insist(file, opened.metadata.num_rows)
        yield

    def read_whole(file: ActiveFile) -> Iterator[None]:
        merge = Merge([store.source(file.path)], schema, pa.MockOutputStream(), layout)  # which keeps nothing
        yield from merge.steps()
        _insist(file, merge.rows)

    found: dict[str, Exception] = {}
    attempts: tuple[_Attempt, ...] = (read_footer, read_whole)
    for attempt in attempts:
        for file in group:
            try:
                yield from attempt(file)
            except Exception as error:
                if not is_of_one_file(store, error):
                    raise
                found[file.path] = error.with_traceback(None)  # or it would hold what was read
        if found:
            break
    closed = [error for error in found.values() if isinstance(error, PermissionError)]
    if closed and len(found) == len(group):
        raise closed[0]
    return found


def is_of_one_file(store: Store, error: Exception) -> bool:
    """Tell whether an error may be of one file alone: damaged, missing, or in a local folder closed to this user."""
    is_closed = isinstance(error, PermissionError) and not store.is_remote  # there it is of the credentials
    return is_closed or isinstance(error, FileNotFoundError) or not store.is_at_fault(error)


def _insist(file: ActiveFile, rows: int) -> None:
    if file.rows is not None and rows != file.rows:
        raise TableError(f"it holds {rows:,} rows, and the table says {file.rows:,}")
