"""Near-duplicates: inputs that say the same in nearly the same words.

    sketches (MinHash)  -->  those that agree in a band, in buckets  -->  the nearest of what stays, compared exactly

Of examples that are alike the best label stays, then the smallest key. Short inputs are left to exact deduplication.
The work grows with the number of examples, whatever they have in common, and memory with the number alone: texts are
taken a few MB at a time.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from headrace_consumers.versions.files.ahead import AT_ONCE
from headrace_consumers.versions.gates.buckets import Buckets
from headrace_consumers.versions.gates.gate import OFFENDERS, Context, Gate, Verdict
from headrace_consumers.versions.sketches.banding import BANDS, PERMUTATIONS, SEED, Bands, shared
from headrace_consumers.versions.sketches.likeness import Prepared, likeness, prepared
from headrace_consumers.versions.sketches.processes import sketched_by_processes
from headrace_consumers.versions.sketches.sketching import Sketcher
from headrace_schemas.dataset_files import LABELS

__all__ = ["NEAR_DUPLICATES"]

_NAME: Final = "near duplicates"
_SLICE: Final = 20_000
_SLICE_BYTES: Final = 4 << 20
_FEWEST_SLICES: Final = 8
_SAMPLE: Final = 2_000
_SAMPLE_BYTES: Final = 32 << 20
_CACHE_BYTES: Final = 4 << 20
"""Of texts; their pieces take a multiple of it."""

_MOST_COMPARED: Final = 16
"""So many of those that stay are in a bucket, and so many of all that share one are compared exactly."""


class _Inputs:
    """Inputs by their row, the last ones kept ready to be compared."""

    def __init__(self, texts: pl.Series) -> None:
        self._texts = texts
        self._kept: OrderedDict[int, tuple[Prepared, int]] = OrderedDict()
        self._bytes = 0

    def __getitem__(self, row: int) -> Prepared:
        if row in self._kept:
            self._kept.move_to_end(row)
            return self._kept[row][0]
        text = self._texts[row]
        value = prepared(json.loads(text))
        self._kept[row] = value, len(text)
        self._bytes += len(text)
        while self._bytes > _CACHE_BYTES:
            self._bytes -= self._kept.popitem(last=False)[1][1]
        return value


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    most = context.thresholds.max_likeness
    if most >= 1:
        return Verdict(_NAME, most, None, is_passed=True, is_judged=False, what="near-duplicates are not looked for")
    buckets = Buckets(_MOST_COMPARED)
    found = list(_alike(examples, most, buckets))
    offenders = pl.DataFrame([row[:2] for row in found], schema=OFFENDERS, orient="row")
    what = f"{len(found):,} examples are more alike to another than {most:g}"
    highest = max((row[2] for row in found), default=None)
    details = {"permutations": PERMUTATIONS, "bands": BANDS, "seed": SEED, "candidates": buckets.looked_at}
    return Verdict(_NAME, most, highest, is_passed=not found, what=what, offenders=offenders, details=details)


def _alike(examples: pl.DataFrame, most: float, buckets: Buckets) -> Iterator[tuple[str, str, float]]:
    """Yield each example that is too much like one that stays, with the reason and how much."""
    order = pl.concat([(examples["label"] == label).arg_true() for label in LABELS])  # they come sorted by key
    rows, bands = _sketched(examples["inputs"], order, most)
    ids, inputs = examples["example_id"], _Inputs(examples["inputs"])
    for number in shared(bands):
        sketch = bands[number].tolist()
        near = buckets.nearest(sketch, _MOST_COMPARED)
        best, other = max(
            ((likeness(inputs[rows[number]], inputs[rows[each]], most), -each) for each in near), default=(0.0, 0)
        )
        if best > most:
            yield ids[rows[number]], f"{best:.2f} alike to {ids[rows[-other]]}", best
        else:
            buckets.add(number, sketch)


def _sketched(inputs: pl.Series, order: pl.Series, most: float) -> tuple[pl.Series, Bands]:
    """Return the rows that are long enough to be compared, in their order, and their bands."""
    sizes = inputs.str.len_bytes()
    # In the order of the keys, which are hashes, so that it is one of all of them.
    sample = order.sort().gather_every(max(1, len(order) // _SAMPLE, int(sizes.sum()) // _SAMPLE_BYTES))
    sketcher = Sketcher.learnt(most, (inputs.gather(some) for some in _slices(sample, sizes)))
    slices = list(_slices(order, sizes))
    rows = [order.clear()]
    bands: list[Bands] = [np.empty((0, BANDS), dtype=np.uint64)]
    for some, (places, found) in zip(slices, _sketches(inputs, slices, sketcher), strict=True):
        rows.append(some.gather(places))
        bands.append(found)
    return pl.concat(rows), np.concatenate(bands)


def _sketches(inputs: pl.Series, slices: list[pl.Series], sketcher: Sketcher) -> Iterator[tuple[list[int], Bands]]:
    """Yield the sketches of each slice: of many by several processes, which take a second to come."""
    if AT_ONCE == 1 or len(slices) < _FEWEST_SLICES:
        return (sketcher.sketch(inputs.gather(some).to_list()) for some in slices)
    return sketched_by_processes(slices, lambda some: inputs.gather(some).to_arrow(), sketcher, AT_ONCE)


def _slices(order: pl.Series, sizes: pl.Series) -> Iterator[pl.Series]:
    """Yield rows in their order, so many that their texts, of these sizes, are at most _SLICE_BYTES; at least one."""
    ends = sizes.gather(order).cast(pl.UInt64).cum_sum().to_numpy()
    start, before = 0, 0
    while start < len(order):
        end = int(np.searchsorted(ends, before + _SLICE_BYTES, side="right"))
        end = min(max(end, start + 1), start + _SLICE)
        yield order.slice(start, end - start)
        start, before = end, int(ends[end - 1])


NEAR_DUPLICATES: Final = Gate(_NAME, "examples", _judge)
