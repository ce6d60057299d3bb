"""What the command line reads from the Delta table: lazily, only the columns that a question needs."""

import datetime as dt
import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headrace.errors import UsageError
from headrace_consumers.cli.table_access import opened, scan_of

if TYPE_CHECKING:
    import polars as pl

    from headrace.config.consumers import Dataset

__all__ = ["Chosen", "newest", "sample", "signatures"]

_JSON_COLUMNS = ("input", "output", "attributes")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which rows.

    Attributes:
        signature: None: all.
        since: the first day on which Kafka took them in, UTC; None: from the beginning.
        until: the last day; None: to the end.
    """

    signature: str | None = None
    since: dt.date | None = None
    until: dt.date | None = None


def signatures(dataset: "Dataset") -> list[dict[str, Any]]:
    """Return one entry a signature, by name: rows, fields_hashes, first and last ingested_at, mean_quality.

    Raises:
        TableReadError: the table is missing or cannot be read.
    """
    with opened(dataset, scan_of) as table:
        import polars as pl

        return (
            table.group_by("signature")
            .agg(
                pl.len().alias("rows"),
                pl.col("fields_hash").n_unique().alias("fields_hashes"),
                pl.col("ingested_at").min().alias("first_ingested_at"),
                pl.col("ingested_at").max().alias("last_ingested_at"),
                pl.col("quality").mean().alias("mean_quality"),
            )
            .sort("signature")
            .collect()
            .to_dicts()
        )


def newest(dataset: "Dataset", signature: str, rows: int) -> list[dict[str, Any]]:
    """Return the newest rows of a signature, the newest first; input, output and attributes as objects.

    Raises:
        TableReadError: the table is missing or cannot be read.
        UsageError: it has no such signature.
    """
    with opened(dataset, scan_of) as table:
        import polars as pl

        order = ["ingested_at", "partition", "offset"]
        found = (
            table.filter(pl.col("signature") == signature).sort(order, descending=True).head(rows).collect().to_dicts()
        )
        if not found:
            raise _unknown_signature(dataset, table, signature)
    return _with_objects(found)


def sample(
    dataset: "Dataset", chosen: Chosen, rows: int, *, seed: int, each_signature: bool = False
) -> list[dict[str, Any]]:
    """Return rows drawn at random, each with the same chance; input, output and attributes as objects.

    Two passes of bounded memory: a hash of each key decides, then the rows of the least hashes are read.

    Args:
        dataset: the configuration of the table.
        chosen: of which rows.
        rows: how many; fewer where there are fewer.
        seed: the same seed draws the same rows of the same table.
        each_signature: so many of each signature.

    Raises:
        TableReadError: the table is missing or cannot be read.
        UsageError: it has no such signature.
    """
    with opened(dataset, scan_of) as table:
        import polars as pl

        candidates = table
        if chosen.signature is not None:
            candidates = candidates.filter(pl.col("signature") == chosen.signature)
        if chosen.since is not None:
            candidates = candidates.filter(pl.col("ingest_date") >= chosen.since)
        if chosen.until is not None:
            candidates = candidates.filter(pl.col("ingest_date") <= chosen.until)
        drawn = pl.col("dedup_key").bottom_k_by(pl.col("dedup_key").hash(seed), rows)
        keys = (
            candidates.group_by("signature").agg(drawn).explode("dedup_key")
            if each_signature
            else candidates.select(drawn)
        ).collect()["dedup_key"]
        if keys.is_empty() and chosen.signature is not None and chosen.since is None and chosen.until is None:
            raise _unknown_signature(dataset, table, chosen.signature)
        found = candidates.filter(pl.col("dedup_key").is_in(keys.to_list())).collect()
        order = ["signature", "ingested_at", "partition", "offset"] if each_signature else ["dedup_key"]
    return _with_objects(found.sort(order).to_dicts())


def _with_objects(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: json.loads(value) if name in _JSON_COLUMNS and value else value for name, value in row.items()}
        for row in rows
    ]


def _unknown_signature(dataset: "Dataset", table: "pl.LazyFrame", signature: str) -> UsageError:
    import polars as pl

    known = table.select(pl.col("signature").unique().sort()).collect()["signature"].to_list()
    return UsageError(f"--signature {signature}: no such signature in {dataset.path}; {_hint(signature, known)}")


def _hint(signature: str, known: list[str]) -> str:
    if not known:
        return "the table is empty"
    near = difflib.get_close_matches(signature, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(known[:20])}"
