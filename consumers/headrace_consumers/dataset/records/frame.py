"""Records as columns: what the columnar decoder reads, the filter judges and the table stores."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

import polars as pl

from headrace_schemas import Interaction, Registry

__all__ = ["FRAME_SCHEMA", "NO_RECORDS", "frame_of"]

_TYPES: Final = {"string": pl.String(), "long": pl.Int64(), "double": pl.Float64(), "boolean": pl.Boolean()}


def _schema() -> pl.Schema:
    columns = {}
    for field in Registry().current("headrace.v1.Interaction")["fields"]:
        kind = field["type"]
        columns[field["name"]] = _TYPES[kind[1] if isinstance(kind, list) else kind]
    return pl.Schema(columns)


FRAME_SCHEMA: Final = _schema()
"""The interaction's fields in the contract's order."""

# A record of an older schema comes with its fields in another order.
_in_order: Final = itemgetter(*FRAME_SCHEMA)

NO_RECORDS: Final = pl.DataFrame(schema=FRAME_SCHEMA)


def frame_of(records: Sequence[Interaction]) -> tuple[pl.DataFrame, list[int]]:
    """Return the records as a frame of FRAME_SCHEMA, and which of them fit no row and were left out.

    These are found by bisection: a batch is built at once, and one that cannot be is halved.
    """
    return _build(records, 0)


def _build(records: Sequence[Interaction], first: int) -> tuple[pl.DataFrame, list[int]]:
    if not records:
        return NO_RECORDS, []
    try:
        return pl.DataFrame([_in_order(record) for record in records], schema=FRAME_SCHEMA, orient="row"), []
    except (pl.exceptions.PolarsError, ValueError, TypeError, OverflowError, UnicodeError):
        if len(records) == 1:
            return NO_RECORDS, [first]
    middle = len(records) // 2
    before, culprits = _build(records[:middle], first)
    after, more = _build(records[middle:], first + middle)
    return pl.concat([before, after]), culprits + more
