"""The table by signature, environment and day: one scan of a few narrow columns, kept by the table's version."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from deltalake import DeltaTable

from headrace.config import Config
from headrace_consumers.cli.table_access import opened, scan_of
from headrace_consumers.ui.sources import Sources

__all__ = ["Growth", "SignatureRows", "growth", "is_there"]


@dataclass(frozen=True, slots=True)
class SignatureRows:
    """The rows of one signature.

    Attributes:
        signature: its name.
        rows: how many.
        environments: environment -> rows.
        fields_hashes: versions of its fields.
        first: when Kafka took the first one in, UTC.
        last: the last one.
        mean_quality: the filter's score; None: of none.
        days: (day, rows), the oldest first; days without rows are left out.
    """

    signature: str
    rows: int
    environments: dict[str, int]
    fields_hashes: list[str]
    first: dt.datetime
    last: dt.datetime
    mean_quality: float | None
    days: list[tuple[dt.date, int]]


@dataclass(frozen=True, slots=True)
class Growth:
    """The table.

    Attributes:
        version: of the table, that was looked at.
        signatures: by name.
    """

    version: int
    signatures: dict[str, SignatureRows]

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(each.rows for each in self.signatures.values())


def is_there(config: Config, path: str | None = None) -> bool:
    """Tell whether there is a table; a store that does not answer has none to show, and says so when it is read."""
    try:
        return DeltaTable.is_deltatable(path or config.dataset.path, dict(config.dataset.storage_options) or None)
    except Exception:
        return True  # reading it says what is wrong


def growth(sources: Sources) -> Growth | None:
    """Return what the table holds; None: there is no table yet.

    Raises:
        TableReadError: it cannot be read.
    """
    dataset = sources.config.dataset
    if not is_there(sources.config):
        return None
    with opened(dataset, lambda table: table) as table:
        version = table.version()
        return sources.kept(("growth", dataset.path), version, lambda: _counted(version, scan_of(table)))


def _counted(version: int, rows: pl.LazyFrame) -> Growth:
    found = (
        rows.group_by("signature", "environment", "ingest_date")
        .agg(
            pl.len().alias("rows"),
            pl.col("ingested_at").min().alias("first"),
            pl.col("ingested_at").max().alias("last"),
            pl.col("quality").sum().alias("quality"),
            pl.col("quality").count().alias("judged"),
            pl.col("fields_hash").unique().alias("fields_hashes"),
        )
        .collect(engine="streaming")
        .to_dicts()
    )
    by_signature: dict[str, list[dict[str, Any]]] = {}
    for each in found:
        by_signature.setdefault(each["signature"], []).append(each)
    return Growth(version, {name: _summed(name, by_signature[name]) for name in sorted(by_signature)})


def _summed(signature: str, parts: Sequence[dict[str, Any]]) -> SignatureRows:
    environments: dict[str, int] = {}
    days: dict[dt.date, int] = {}
    for each in parts:
        environments[each["environment"]] = environments.get(each["environment"], 0) + each["rows"]
        days[each["ingest_date"]] = days.get(each["ingest_date"], 0) + each["rows"]
    judged = sum(each["judged"] for each in parts)
    return SignatureRows(
        signature=signature,
        rows=sum(each["rows"] for each in parts),
        environments=dict(sorted(environments.items(), key=lambda item: (-item[1], item[0]))),
        fields_hashes=sorted({hash_ for each in parts for hash_ in each["fields_hashes"]}),
        first=min(each["first"] for each in parts),
        last=max(each["last"] for each in parts),
        mean_quality=sum(each["quality"] for each in parts) / judged if judged else None,
        days=sorted(days.items()),
    )
