"""Rows on disk by the beginning of their key, so that they come back in its order a part at a time.

batches in any order -> one file a bucket -> buckets in order, each of bounded size -> sorted by key
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import polars as pl
import pyarrow as pa

__all__ = ["MOST_BUCKETS", "Spill", "bucket_of", "buckets_for"]

MOST_BUCKETS: Final = 256
_BUCKET_ROWS: Final = 32_768


def buckets_for(rows: int) -> int:
    """Return how many buckets keep each at some ten thousand rows."""
    return max(1, min(MOST_BUCKETS, -(-rows // _BUCKET_ROWS)))


def bucket_of(key: str, buckets: int) -> pl.Expr:
    """Return the bucket of a column of keys, 64 hex digits each: its order is theirs."""
    return pl.col(key).str.slice(0, 2).str.to_integer(base=16) * buckets // MOST_BUCKETS


class Spill:
    """Rows of one kind.

    Args:
        folder: for its files; made here.
        key: the column of keys.
        buckets: how many.
    """

    def __init__(self, folder: Path, key: str, buckets: int) -> None:
        folder.mkdir(mode=0o700)
        self._folder = folder
        self._key = key
        self._buckets = buckets
        self._writers: dict[int, tuple[pa.ipc.RecordBatchStreamWriter, pa.NativeFile]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def parts(self, rows: pl.DataFrame) -> dict[int, pa.Table]:
        """Return rows by their bucket, for `add`; all rows have the same columns. May be called by several threads."""
        parts = rows.with_columns(_bucket=bucket_of(self._key, self._buckets)).partition_by(
            "_bucket", as_dict=True, include_key=False
        )
        return {int(bucket): part.to_arrow() for (bucket,), part in parts.items()}

    def add(self, parts: Mapping[int, pa.Table]) -> None:
        """Take what `parts` returned."""
        for bucket, table in parts.items():
            if bucket not in self._writers:
                file = pa.OSFile(str(self._folder / f"{bucket:03d}.arrows"), "wb")  # Python's own copies it all twice
                # Not compressed: it is read once, and soon, and lz4 takes longer than all else that is done here.
                self._writers[bucket] = pa.ipc.new_stream(file, table.schema), file
            self._writers[bucket][0].write_table(table)

    def close(self) -> None:
        """Finish the files."""
        for writer, file in self._writers.values():
            writer.close()
            file.close()
        self._writers.clear()

    def read(self, bucket: int) -> pl.DataFrame | None:
        """Return the rows of a bucket, and remove its file; None: there are none."""
        path = self._folder / f"{bucket:03d}.arrows"
        if not path.exists():
            return None
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            found = pl.DataFrame(reader.read_all())
        path.unlink()
        return found
