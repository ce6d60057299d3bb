"""Rows of the table, the newest first: a page at a time, found by narrow columns, and read whole only then."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from headrace_consumers.cli.beside_rows import add_what_stands_beside
from headrace_consumers.cli.table_access import opened, scan_of
from headrace_consumers.ui.page import NothingThereError
from headrace_consumers.ui.sources import Sources

__all__ = ["PAGE_ROWS", "Cursor", "RowPage", "newest", "row_of_key"]

PAGE_ROWS: Final = 50
_ORDER: Final = ["ingested_at", "partition", "offset"]
_NARROW: Final = [*_ORDER, "ingest_date", "dedup_key"]
_LISTED: Final = [
    *_NARROW, "signature", "environment", "input", "output", "quality", "latency_ms", "module_version",
]  # fmt: skip
JSON_COLUMNS: Final = ("input", "output", "attributes")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order of rows: the page behind it begins with the next older one."""

    ingested_at_us: int
    partition: int
    offset: int

    @classmethod
    def of(cls, text: str) -> "Cursor | None":
        """Return the cursor of a text; None: it is none, the first page is meant."""
        parts = text.split(".")
        if len(parts) != len(_ORDER) or not all(each.isascii() and each.isdigit() for each in parts):
            return None
        at, partition, offset = map(int, parts)
        return cls(at, partition, offset) if max(at, partition, offset) < 2**62 else None

    def __str__(self) -> str:
        return f"{self.ingested_at_us}.{self.partition}.{self.offset}"


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows.

    Attributes:
        rows: as dicts; input and output as objects.
        older: where older ones begin; None: there are none.
    """

    rows: list[dict[str, Any]]
    older: Cursor | None


def newest(sources: Sources, signature: str, *, before: Cursor | None = None, day: dt.date | None = None) -> RowPage:
    """Return a page of a signature's rows.

    Args:
        sources: where the table is.
        signature: whose.
        before: only older ones.
        day: only of that day.

    Raises:
        TableReadError: the table is missing or cannot be read.
    """
    with opened(sources.config.dataset, scan_of) as table:
        chosen = table.filter(pl.col("signature") == signature)
        if day is not None:
            chosen = chosen.filter(pl.col("ingest_date") == day)
        if before is not None:
            chosen = chosen.filter(_is_older(before))
        narrow = chosen.select(_NARROW).top_k(PAGE_ROWS + 1, by=_ORDER).collect(engine="streaming")
        narrow = narrow.sort(_ORDER, descending=True)
        shown = narrow.head(PAGE_ROWS)
        rows = _read(table, shown, _LISTED)
    older = _cursor(shown.row(-1, named=True)) if narrow.height > PAGE_ROWS else None
    return RowPage(rows, older)


def row_of_key(sources: Sources, key: str) -> dict[str, Any]:
    """Return the whole row of a deduplication key, with how often it was seen and the feedback on it.

    Raises:
        TableReadError: a table is missing or cannot be read.
        NothingThereError: no row has it.
    """
    with opened(sources.config.dataset, scan_of) as table:
        narrow = table.filter(pl.col("dedup_key") == key).select(_NARROW).head(1).collect(engine="streaming")
        rows = _read(table, narrow, None)
    if not rows:
        raise NothingThereError(f"no row has the key {key[:64]}; it may have been erased, or be older than the table")
    add_what_stands_beside(sources.config.dataset, rows)
    return rows[0]


def as_objects(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with its JSON columns parsed; one that is no JSON stays a text."""
    return {name: _parsed(value) if name in JSON_COLUMNS and value else value for name, value in row.items()}


def _is_older(cursor: Cursor) -> pl.Expr:
    at = pl.lit(cursor.ingested_at_us).cast(pl.Datetime("us", "UTC"))
    day = pl.lit(cursor.ingested_at_us).cast(pl.Datetime("us")).cast(pl.Date)
    earlier = pl.col("ingested_at") < at
    same, before = pl.col("ingested_at") == at, pl.col("partition") < cursor.partition
    beside = (pl.col("partition") == cursor.partition) & (pl.col("offset") < cursor.offset)
    return (pl.col("ingest_date") <= day) & (earlier | (same & (before | beside)))


def _read(table: pl.LazyFrame, narrow: pl.DataFrame, columns: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the rows of places; the days and offsets spare most files, whose statistics tell that they hold none."""
    if narrow.is_empty():
        return []
    chosen = table.filter(
        pl.col("ingest_date").is_in(narrow["ingest_date"].unique().to_list())
        & pl.col("offset").is_between(narrow["offset"].min(), narrow["offset"].max())
        & pl.col("dedup_key").is_in(narrow["dedup_key"].to_list())
    )
    if columns is not None:
        chosen = chosen.select(columns)
    found = chosen.collect(engine="streaming").sort(_ORDER, descending=True)
    return [as_objects(row) for row in found.to_dicts()]


def _cursor(row: dict[str, Any]) -> Cursor:
    moment: dt.datetime = row["ingested_at"]
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return Cursor(since // dt.timedelta(microseconds=1), row["partition"], row["offset"])


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError):
        return text
