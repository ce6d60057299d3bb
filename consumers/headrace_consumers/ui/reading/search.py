"""Rows whose input or output holds a text: file by file, the newest first, for a few seconds and no longer."""

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
import pyarrow.parquet as pq

from headrace_consumers.cli.table_access import opened
from headrace_consumers.ui.reading.rows import as_objects
from headrace_consumers.ui.sources import Sources
from headrace_consumers.verification.snapshot import ActiveFile, Snapshot

__all__ = ["Found", "search"]

_SECONDS: Final = 5.0
_MOST: Final = 100
_BATCH: Final = 1_000
"""Small: the clock is looked at after each, and a row may be large."""
_COLUMNS: Final = (
    "signature", "environment", "dedup_key", "ingested_at", "partition", "offset", "input", "output", "quality",
    "latency_ms", "module_version",
)  # fmt: skip


_NOTHING: Final = pl.DataFrame(schema=dict.fromkeys(_COLUMNS, pl.String))


@dataclass(slots=True)
class Found:
    """What was found.

    Attributes:
        rows: the newest first; input and output as objects.
        looked_at: rows that were looked at.
        is_all: whether those were all; else time was up, or there are enough.
    """

    rows: list[dict[str, Any]]
    looked_at: int = 0
    is_all: bool = True


def search(
    sources: Sources,
    signature: str,
    text: str,
    *,
    day: dt.date | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Return rows of a signature that hold a text, whatever the case of ASCII letters.

    Args:
        sources: where the table is.
        signature: whose.
        text: is looked for as it is, in the values of input and output.
        day: only of that day.
        clock: seconds, monotonic.

    Raises:
        TableReadError: the table is missing or cannot be read.
    """
    written = json.dumps(text, ensure_ascii=False)[1:-1]  # as it stands in JSON
    holds = pl.any_horizontal(
        pl.col(name).str.contains_any([written], ascii_case_insensitive=True) for name in ("input", "output")
    )
    until_s = clock() + _SECONDS
    found = Found([])
    with opened(sources.config.dataset, Snapshot) as snapshot:
        for batch in _batches(snapshot, signature, day):
            found.looked_at += batch.height
            hits = batch.filter((pl.col("signature") == signature) & holds)
            found.rows += [as_objects(row) for row in hits.to_dicts()]
            if len(found.rows) >= _MOST or clock() > until_s:
                found.is_all = False
                break
    found.rows.sort(key=lambda row: (row["ingested_at"], row["partition"], row["offset"]), reverse=True)
    del found.rows[_MOST:]
    return found


def _batches(snapshot: Snapshot, signature: str, day: dt.date | None) -> Iterator[pl.DataFrame]:
    files = snapshot.files if day is None else [each for each in snapshot.files if f"ingest_date={day}/" in each.path]
    for file in sorted(files, key=_age, reverse=True):
        with snapshot.opened(file) as parquet:
            groups = [at for at in range(parquet.num_row_groups) if _may_hold(parquet, at, signature)]
            for batch in parquet.iter_batches(_BATCH, row_groups=groups, columns=list(_COLUMNS)) if groups else ():
                yield pl.DataFrame(batch)
        if not groups:
            yield _NOTHING  # that took time, too


def _age(file: ActiveFile) -> tuple[str, int]:
    _, last = file.bounds.get("offset", (0, 0))
    return file.path.partition("/")[0], int(last)


def _may_hold(parquet: pq.ParquetFile, group: int, signature: str) -> bool:
    """Tell by a row group's statistics whether it may hold rows of a signature; rows are sorted by it."""
    column = parquet.schema_arrow.get_field_index("signature")
    statistics = parquet.metadata.row_group(group).column(column).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= signature <= statistics.max)
