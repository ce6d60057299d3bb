"""The whole frame on disk, mapped into memory: a frame of a million examples costs memory for what is looked at.

frames, sorted by key, one after the other -> one Arrow file -> mapped -> pl.DataFrame without a copy
"""

from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow as pa

__all__ = ["FrameFile", "mapped"]


class FrameFile:
    """Takes frames of one schema.

    Args:
        path: of the file, made here.
        schema: of the frames.
    """

    def __init__(self, path: Path, schema: dict[str, pl.DataType]) -> None:
        self._schema = schema
        arrow = pl.DataFrame(schema=schema).to_arrow(compat_level=pl.CompatLevel.newest()).schema
        self._file = pa.OSFile(str(path), "wb")  # Python's own copies it all twice
        self._writer = pa.ipc.new_file(self._file, arrow)

    def add(self, frame: pl.DataFrame) -> None:
        """Append a frame, in one piece: texts that slices of it share would be in the file with each of them."""
        table = frame.select(*self._schema).rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
        self._writer.write_table(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()
        self._file.close()


def mapped(path: Path, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    """Return the frame of a file; its texts stay on disk until they are looked at."""
    with pa.ipc.open_file(pa.memory_map(str(path))) as reader:
        if reader.num_record_batches == 0:
            return pl.DataFrame(schema=schema)
        found = pl.from_arrow(reader.read_all(), rechunk=False)
    assert isinstance(found, pl.DataFrame)  # noqa: S101  # for mypy
    return found
