"""What differs between two versions: which examples, and how far their properties have drifted."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
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
_DIGITS: Final = 16
_AT_ONCE: Final = 100_000
"""So many examples are held side by side, for that takes several times what they take by themselves."""

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
    found, _ = compared(before, after, 0)
    return found


def compared(before: "pl.LazyFrame", after: "pl.LazyFrame", most: int) -> tuple[Diff, dict[str, list[str]]]:
    """Return what `diff` does, and the ids of examples that were added, removed and changed; each version is read once.

    Args:
        before: as `frames.scan` gives it.
        after: likewise.
        most: ids of each kind, the first by key.
    """
    first, second = _facts(before), _facts(after)
    kinds: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    ids: dict[str, list[str]] = {"added": [], "removed": [], "changed": []}
    for met in _met(first, second):
        both = met.filter(~_is_added() & ~_is_removed())
        changed.update(_changed(both))
        frames = {
            "added": met.filter(_is_added()),
            "removed": met.filter(_is_removed()),
            "changed": both.filter(_is_changed()),
        }
        for kind, frame in frames.items():
            kinds[kind] += frame.height
            ids[kind] += _first_ids(frame, most - len(ids[kind]))
    found = Diff(
        first.height,
        second.height,
        kinds["added"],
        kinds["removed"],
        {name: changed[name] for name in _COMPARED if changed[name]},
        kinds["changed"],
        _properties(first, second),
    )
    return found, ids


def _met(first: "pl.DataFrame", second: "pl.DataFrame") -> "Iterator[pl.DataFrame]":
    """Yield both versions side by side, a part of the keys at a time, in their order: a row a key, else nulls."""
    import polars as pl

    parts = max(1, (first.height + second.height) // _AT_ONCE)
    for part in range(parts):
        is_of_it = pl.col("_key_1") // 2**48 * parts // 2**16 == part
        yield first.filter(is_of_it).join(
            second.filter(is_of_it), on=["_key_1", "_key_2"], how="full", suffix="_after", coalesce=True
        )


def _is_added() -> "pl.Expr":
    import polars as pl

    return pl.col("split").is_null()


def _is_removed() -> "pl.Expr":
    import polars as pl

    return pl.col("split_after").is_null()


def _first_ids(frame: "pl.DataFrame", most: int) -> list[str]:
    ids = frame.select("_key_1", "_key_2").sort("_key_1", "_key_2").head(max(most, 0))
    return [f"{first:016x}{second:016x}" for first, second in ids.iter_rows()]


def _facts(version: "pl.LazyFrame") -> "pl.DataFrame":
    """Return what is held of each example; the key as the two numbers that the digits of its example's id are."""
    import polars as pl

    def digits(first: int) -> pl.Expr:
        return pl.col("key").str.slice(first, _DIGITS).str.to_integer(base=16, dtype=pl.UInt64)

    return version.select(
        *_CATEGORICAL,
        "quality",
        _key_1=digits(0),
        _key_2=digits(_DIGITS),
        outputs=pl.col("outputs").hash(),
        input_characters=pl.col("inputs").str.len_chars(),
        output_characters=pl.col("outputs").str.len_chars(),
    ).collect()


def _changed(both: "pl.DataFrame") -> dict[str, int]:
    import polars as pl

    differing = (pl.col(name).ne_missing(pl.col(f"{name}_after")).sum().alias(name) for name in _COMPARED)
    return both.select(*differing).row(0, named=True)


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
