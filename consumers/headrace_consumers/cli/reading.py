"""What the command line reads from the Delta table: lazily, only the columns that a question needs."""

import difflib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from headrace.errors import HeadraceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from headrace.config.consumers import Dataset

__all__ = ["TableReadError", "needs_pyarrow", "newest", "scan", "signatures"]

_JSON_COLUMNS = ("input", "output", "attributes")


class TableReadError(HeadraceError):
    """The table is not there, or cannot be read."""


def signatures(dataset: "Dataset") -> list[dict[str, Any]]:
    """Return one entry a signature, by name: rows, fields_hashes, first and last ingested_at, mean_quality.

    Raises:
        TableReadError: the table is missing or cannot be read.
    """
    with _opened(dataset) as table:
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
    with _opened(dataset) as table:
        import polars as pl

        order = ["ingested_at", "partition", "offset"]
        found = (
            table.filter(pl.col("signature") == signature).sort(order, descending=True).head(rows).collect().to_dicts()
        )
        if not found:
            known = table.select(pl.col("signature").unique().sort()).collect()["signature"].to_list()
            raise UsageError(f"--signature {signature}: no such signature in {dataset.path}; {_hint(signature, known)}")
    return [
        {name: json.loads(value) if name in _JSON_COLUMNS and value else value for name, value in row.items()}
        for row in found
    ]


def scan(path: str, storage_options: "Mapping[str, str] | None" = None) -> "pl.LazyFrame":
    """Return the table at `path`, lazily; polars' and delta-rs' errors pass through."""
    import polars as pl

    return pl.scan_delta(path, storage_options=dict(storage_options or {}) or None, use_pyarrow=needs_pyarrow(path))


def needs_pyarrow(path: str) -> bool:
    """Tell whether polars must read the table through pyarrow.

    delta-rs names a table's files as parts of a URL, and polars' own reader looks for `%20` in a folder's name.
    """
    return "://" not in path and quote(path) != path


def _hint(signature: str, known: list[str]) -> str:
    if not known:
        return "the table is empty"
    near = difflib.get_close_matches(signature, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(known[:20])}"


@contextmanager
def _opened(dataset: "Dataset") -> "Iterator[pl.LazyFrame]":
    import deltalake.exceptions
    import polars as pl

    try:
        yield scan(dataset.path, dataset.storage_options)
    except (deltalake.exceptions.TableNotFoundError, FileNotFoundError) as error:
        raise TableReadError(
            f"{dataset.path}: no Delta table here yet; headrace consume dataset makes it. Check dataset.path"
        ) from error
    except pl.exceptions.ColumnNotFoundError as error:
        raise TableReadError(f"{dataset.path}: not a table of Headrace, a column is missing: {error}") from error
    except (deltalake.exceptions.DeltaError, pl.exceptions.PolarsError, OSError) as error:
        raise TableReadError(f"{dataset.path}: cannot read the table ({error}); check dataset.path") from error
