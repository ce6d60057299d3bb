"""What differs between two versions: which examples, and how far their properties have drifted."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headrace_consumers.versions.telling.drift import Drift, binned, drift, edges_of

if TYPE_CHECKING:
    import numpy.typing as npt
    import polars as pl

__all__ = ["NUMERIC", "Diff", "Property", "compared", "diff"]

_COMPARED: Final = ("outputs", "label", "quality", "category", "difficulty", "source", "split")
"""What may be another in the same example."""

_CATEGORICAL: Final = ("source", "label", "category", "difficulty", "split")
NUMERIC: Final = ("input_characters", "output_characters", "quality")
"""Properties that are told by their quartiles."""


@dataclass(frozen=True, slots=True)
class Property:
    """One property in both versions.

    Attributes:
        before: shares by category, or the quartiles of a number.
        after: likewise.
        drift: how far they are apart.
    """

    before: dict[str, float]
    after: dict[str, float]
    drift: Drift


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs.

    Attributes:
        before: how many examples the first version has.
        after: the second.
        added: examples that only the second has.
        removed: that only the first has.
        changed: how many of both differ in what: outputs, label, quality ...; one may differ in several.
        changed_examples: how many of both differ in anything.
        properties: by name.
    """

    before: int
    after: int
    added: int
    removed: int
    changed: dict[str, int]
    changed_examples: int
    properties: dict[str, Property]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def diff(before: "pl.LazyFrame", after: "pl.LazyFrame") -> Diff:
    """Return what differs between two versions; texts are read, and not held.

    Args:
        before: as `frames.scan` gives it.
        after: likewise.
    """
    return _diff(*_met(before, after))


def compared(before: "pl.LazyFrame", after: "pl.LazyFrame", most: int) -> tuple[Diff, dict[str, list[str]]]:
    """Return what `diff` does, and the ids of examples that were added, removed and changed; each version is read once.

    Args:
        before: as `frames.scan` gives it.
        after: likewise.
        most: ids of each kind, the first by key.
    """
    first, second, met = _met(before, after)
    return _diff(first, second, met), _example_ids(met, most)


def _met(before: "pl.LazyFrame", after: "pl.LazyFrame") -> "tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]":
    """Return the facts of both versions, and both side by side: a row a key, nulls where a version does not have it."""
    first, second = _facts(before), _facts(after)
    return first, second, first.join(second, on="key", how="full", suffix="_after", coalesce=True)


def _is_added() -> "pl.Expr":
    import polars as pl

    return pl.col("split").is_null()


def _is_removed() -> "pl.Expr":
    import polars as pl

    return pl.col("split_after").is_null()


def _diff(first: "pl.DataFrame", second: "pl.DataFrame", met: "pl.DataFrame") -> Diff:
    added, removed = met.select(added=_is_added().sum(), removed=_is_removed().sum()).row(0)
    changed, changed_examples = _changed(met.filter(~_is_added() & ~_is_removed()))
    return Diff(first.height, second.height, added, removed, changed, changed_examples, _properties(first, second))


def _example_ids(met: "pl.DataFrame", most: int) -> dict[str, list[str]]:
    frames = {
        "added": met.filter(_is_added()),
        "removed": met.filter(_is_removed()),
        "changed": met.filter(~_is_added() & ~_is_removed() & _is_changed()),
    }
    return {name: [key[:32] for key in frame["key"].bottom_k(most).sort()] for name, frame in frames.items()}


def _facts(version: "pl.LazyFrame") -> "pl.DataFrame":
    import polars as pl

    return version.select(
        "key",
        *_CATEGORICAL,
        "quality",
        outputs=pl.col("outputs").hash(),
        input_characters=pl.col("inputs").str.len_chars(),
        output_characters=pl.col("outputs").str.len_chars(),
    ).collect()


def _changed(both: "pl.DataFrame") -> tuple[dict[str, int], int]:
    import polars as pl

    told = both.select(
        *(pl.col(name).ne_missing(pl.col(f"{name}_after")).sum().alias(name) for name in _COMPARED),
        _is_changed().sum().alias("any"),
    ).row(0, named=True)
    return {name: told[name] for name in _COMPARED if told[name]}, told["any"]


def _is_changed() -> "pl.Expr":
    import polars as pl

    return pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_after")) for name in _COMPARED)


def _properties(first: "pl.DataFrame", second: "pl.DataFrame") -> dict[str, Property]:
    found = {}
    for name in _CATEGORICAL:
        counts = _counts(first, name), _counts(second, name)
        found[name] = Property(_shares(counts[0]), _shares(counts[1]), drift(*counts))
    for name in NUMERIC:
        values = first[name].drop_nulls().to_numpy(), second[name].drop_nulls().to_numpy()
        edges = edges_of(values[0])
        bins = binned(values[0], edges), binned(values[1], edges)
        found[name] = Property(_quartiles(values[0]), _quartiles(values[1]), drift(*bins))
    return found


def _counts(frame: "pl.DataFrame", name: str) -> dict[str, int]:
    return {value or "": count for value, count in frame[name].value_counts().rows()}


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {name: count / total for name, count in ordered}


def _quartiles(values: "npt.NDArray[Any]") -> dict[str, float]:
    """Return the quartiles, each the least value that so much of the sample does not exceed."""
    if not len(values):
        return {}
    ordered = np.sort(values)
    return {
        name: ordered[math.ceil(len(ordered) * at) - 1].item()
        for name, at in (("25%", 0.25), ("50%", 0.5), ("75%", 0.75))
    }
