"""One version of the table: its files as the log names them, opened from wherever it is stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake import DeltaTable

__all__ = ["ActiveFile", "Snapshot"]

_BOUNDED: Final = ("topic_id", "partition", "offset")


@dataclass(frozen=True, slots=True)
class ActiveFile:
    """A file of the table, as the log has it.

    Attributes:
        path: relative to the table.
        size_bytes: exact.
        rows: how many; None: the log does not say.
        bounds: column -> its smallest and largest value, for topic_id, partition and offset where the log has them.
    """

    path: str
    size_bytes: int
    rows: int | None
    bounds: dict[str, tuple[Any, Any]]


class Snapshot:
    """One version of the table.

    Args:
        table: delta-rs' handle.

    Attributes:
        files: in the log's order.
    """

    def __init__(self, table: DeltaTable) -> None:
        self._filesystem: pafs.FileSystem = table.to_pyarrow_dataset().filesystem
        self.files = [_active(action) for action in pa.table(table.get_add_actions(flatten=True)).to_pylist()]

    def size_bytes(self, file: ActiveFile) -> int | None:
        """Return a file's size in the store; None: it is not there."""
        info = self._filesystem.get_file_info(file.path)
        return int(info.size) if info.type is pafs.FileType.File else None

    @contextmanager
    def opened(self, file: ActiveFile) -> Iterator[pq.ParquetFile]:
        """Open a file; pyarrow's errors pass through."""
        with pq.ParquetFile(self._filesystem.open_input_file(file.path)) as parquet:
            yield parquet


def _active(action: dict[str, Any]) -> ActiveFile:
    bounds = {
        name: (action[f"min.{name}"], action[f"max.{name}"])
        for name in _BOUNDED
        if action.get(f"min.{name}") is not None and action.get(f"max.{name}") is not None
    }
    return ActiveFile(action["path"], action["size_bytes"], action.get("num_records"), bounds)
