"""A version as a polars frame, its Parquet files checked against the manifest."""

from typing import TYPE_CHECKING

from headrace.datasets.place import Version
from headrace_consumers.versions.errors import VersionsError
from headrace_consumers.versions.shelf.listing import changed_files
from headrace_schemas.dataset_files import SPLITS

if TYPE_CHECKING:
    import polars as pl

__all__ = ["scan"]


def scan(version: Version) -> "pl.LazyFrame":
    """Return a version's examples, lazily: an ExampleLine's members and `split`; inputs and outputs are JSON texts.

    Checked are the files that are read.

    Raises:
        DatasetError: its manifest cannot be read.
        VersionsError: a file was changed or is missing.
    """
    import polars as pl

    names = [f"{split}.parquet" for split in SPLITS]  # the lines say the same, and are larger
    if wrong := changed_files(version, names):
        raise VersionsError(f"{version.path}: {wrong[0]}")
    parts = [pl.scan_parquet(version.path / name, glob=False) for name in names]
    return pl.concat(
        [part.with_columns(split=pl.lit(split)) for split, part in zip(SPLITS, parts, strict=True)],
        how="vertical_relaxed",
    )
