"""What a table of ours looks like: its columns, the order of its rows, how its files are written."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

__all__ = ["Layout"]


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of table; all are partitioned by ingest date.

    Attributes:
        name: the table's name in its metadata, "headrace ...".
        schema: its columns.
        order: the rows of a file are sorted by these.
        bounded: columns without nulls of which files have statistics: readers skip files by them. Statistics on
            payload would only copy it into the log.
        dictionary: columns whose values repeat.
    """

    name: str
    schema: pa.Schema
    order: tuple[str, ...]
    bounded: tuple[str, ...]
    dictionary: tuple[str, ...]

    @property
    def writer_options(self) -> dict[str, Any]:
        """For `pyarrow.parquet`: how every file of the table is written."""
        return {
            "compression": "zstd",
            "use_dictionary": list(self.dictionary),
            "write_statistics": list(self.bounded),
        }

    @property
    def properties(self) -> dict[str, str]:
        """Delta's table properties."""
        return {
            "delta.checkpointInterval": "100",
            # Without it delta-rs forgets the statistics of all columns but the first 32: a catch-up opens every file.
            "delta.dataSkippingStatsColumns": ",".join(self.bounded),
        }
