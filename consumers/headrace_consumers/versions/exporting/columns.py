"""Examples as rows of a table: a column a field, of the type that all its values have, else of JSON texts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

__all__ = ["Columns", "flat"]

_KNOWN: Final = ("example_id", "label", "source", "category", "difficulty", "quality", "weight", "times_seen")
_LARGEST: Final = 2**63
_EXACT: Final = 2**53
_TYPES: Final = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an example as one row: its fields, then what is known of it, each name with headrace_ before it."""
    inputs, outputs = row["inputs"], row["outputs"]
    fields = dict(inputs)
    for name, value in outputs.items():
        fields[f"{name}_output" if name in inputs else name] = value
    return {**fields, **{f"headrace_{name}": row[name] for name in _KNOWN}}


class Columns:
    """The columns of rows that are noted one by one.

    Attributes:
        names: of the columns, in the order in which they came.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, set[type]] = {}

    def note(self, row: Mapping[str, Any]) -> None:
        """Take a row's values into account."""
        for name, value in row.items():
            kinds = self._kinds.setdefault(name, set())
            if value is not None:
                kinds.add(_kind_of(value))

    @property
    def names(self) -> list[str]:
        """The columns."""
        return list(self._kinds)

    @property
    def as_json(self) -> list[str]:
        """The columns that hold JSON texts."""
        return [name for name, kinds in self._kinds.items() if kinds and self._kind(name) is None]

    def schema(self) -> pa.Schema:
        """Return the columns' types."""
        kinds = ((name, self._kind(name)) for name in self._kinds)
        return pa.schema([(name, pa.string() if kind is None else _TYPES[kind]) for name, kind in kinds])

    def table(self, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
        """Return noted rows as a table."""
        values = {name: [self._value(name, row.get(name)) for row in rows] for name in self._kinds}
        return pa.table(values, schema=schema)

    def texts(self, row: Mapping[str, Any]) -> list[str]:
        """Return a noted row's values as texts; what is no text is JSON, and what is missing is empty."""
        values = (self._value(name, row.get(name)) for name in self._kinds)
        return ["" if value is None else value if isinstance(value, str) else json.dumps(value) for value in values]

    def _value(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        kind = self._kind(name)
        return json.dumps(value, default=str) if kind is None else kind(value)

    def _kind(self, name: str) -> type | None:
        """Return the type of a column's values; None: there are several, or one that a column cannot have."""
        kinds = self._kinds[name]
        if kinds and kinds <= {int, _Wide}:
            return int
        if kinds == {int, float}:
            return float
        return next(iter(kinds)) if len(kinds) == 1 and kinds <= _TYPES.keys() else None


class _Wide:
    """An integer that a column of floats cannot hold."""


def _kind_of(value: Any) -> type:
    kind = type(value)
    if kind is int:
        return int if abs(value) <= _EXACT else _Wide if -_LARGEST <= value < _LARGEST else object
    return kind if kind in _TYPES and (kind is not str or value.isascii() or _is_unicode(value)) else object


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
