"""The Delta table, opened for reading by polars or DuckDB; whatever goes wrong with it is one line."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from headrace.errors import HeadraceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl
    from deltalake import DeltaTable

    from headrace.config.consumers import Dataset

__all__ = ["TableMissingError", "TableReadError", "needs_pyarrow", "opened", "scan_of"]

_Opened = TypeVar("_Opened")


class TableReadError(HeadraceError):
    """The table is not there, or cannot be read."""


class TableMissingError(TableReadError):
    """It is not there."""


@contextmanager
def opened(dataset: "Dataset", how: "Callable[[DeltaTable], _Opened]") -> "Iterator[_Opened]":
    """Yield the table, opened.

    Args:
        dataset: the configuration of the table.
        how: what to make of delta-rs' handle.

    Raises:
        TableReadError: the table is missing or cannot be read.
    """
    import deltalake.exceptions
    import polars as pl
    import pyarrow as pa

    from headrace_consumers.dataset.delta.error_line import one_line
    from headrace_consumers.dataset.delta.store_at import store_of

    try:
        table = store_of(dataset).handle()
    except (deltalake.exceptions.TableNotFoundError, FileNotFoundError) as error:
        raise TableMissingError(
            f"{dataset.path}: no Delta table here yet; headrace consume dataset makes it. Check dataset.path"
        ) from error
    except (deltalake.exceptions.DeltaError, OSError) as error:
        raise TableReadError(
            f"{dataset.path}: cannot read the table ({one_line(error)}); check dataset.path"
        ) from error
    try:
        yield how(table)
    except pl.exceptions.ColumnNotFoundError as error:
        raise TableReadError(
            f"{dataset.path}: not a table of Headrace, a column is missing: {one_line(error)}"
        ) from error
    except (deltalake.exceptions.DeltaError, pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        raise TableReadError(
            f"{dataset.path}: cannot read the table ({one_line(error)}); headrace dataset verify tells what is wrong"
        ) from error


def scan_of(table: "DeltaTable") -> "pl.LazyFrame":
    """Return the table for polars, lazily; polars' and delta-rs' errors pass through."""
    import polars as pl

    return pl.scan_delta(table, use_pyarrow=needs_pyarrow(table.table_uri))


def needs_pyarrow(path: str) -> bool:
    """Tell whether polars must read the table through pyarrow.

    delta-rs names a table's files as parts of a URL, and polars' own reader looks for `%20` in a folder's name. It
    would reach an object store by ways of its own, with other names for the options; pyarrow goes through delta-rs.
    """
    path = path.removeprefix("file://")
    return "://" in path or quote(path) != path
