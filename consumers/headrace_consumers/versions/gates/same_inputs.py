"""Which examples have inputs that another one has too, letter by letter, whatever their keys."""

from typing import Final

import polars as pl

from headrace_consumers.versions.files.ahead import side_by_side

__all__ = ["with_shared_inputs"]

_SLICE: Final = 20_000


def with_shared_inputs(examples: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Return the few whose inputs probably are another's as well, with `inputs` and some columns.

    Args:
        examples: EXAMPLES; looked at a slice at a time.
        columns: which.
    """
    parts = side_by_side(lambda part: part["inputs"].hash(), examples.select("inputs").iter_slices(_SLICE))
    hashes = pl.concat([pl.Series("inputs", [], dtype=pl.UInt64), *parts])
    return examples.select(*columns, "inputs").filter(hashes.is_duplicated())
