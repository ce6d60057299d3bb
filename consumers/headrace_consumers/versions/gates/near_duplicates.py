"""Near-duplicates: inputs that say the same in nearly the same words.

    MinHash and locality-sensitive hashing (rensa) over pairs of words  -->  candidates  -->  compared exactly

Two examples are alike by the field that they are least alike in: with one long context and two questions, the questions
decide. A text field counts by the Jaccard index of its pairs of words, any other value by being the same. Of examples
that are alike the best label stays, then the smallest key. Short inputs are left to exact deduplication.
"""

import json
import re
from array import array
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import polars as pl

from headrace_consumers.versions.gates.gate import OFFENDERS, Context, Gate, Verdict
from headrace_schemas.dataset_files import LABELS

__all__ = ["NEAR_DUPLICATES", "likeness"]

_NAME: Final = "near duplicates"
_SLICE: Final = 20_000
_PERMUTATIONS: Final = 64
_BANDS: Final = 8
"""With 8 rows a band: inputs of a likeness of 0.9 are compared with a chance of 0.99, of 0.5 with one of 0.03."""

_SEED: Final = 42
_FEWEST_WORDS: Final = 12
_LONGEST: Final = 20_000
"""So many characters of a field, and of all inputs, are compared."""

_MOST_COMPARED: Final = 16
"""Of more candidates the first are compared: a thousand inputs over one template do not cost a million comparisons."""

_WORD: Final = re.compile(r"\w+")


def likeness(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return how alike two examples' inputs are, from 0 to 1: by the field that they are least alike in."""
    if one.keys() != other.keys():
        return 0.0
    return min((_field_likeness(value, other[name]) for name, value in one.items()), default=1.0)


def _judge(examples: pl.DataFrame, context: Context) -> Verdict:
    most = context.thresholds.max_likeness
    if most >= 1:
        return Verdict(_NAME, most, None, is_passed=True, what="near-duplicates are not looked for")
    found = list(_alike(examples, most))
    offenders = pl.DataFrame([row[:2] for row in found], schema=OFFENDERS, orient="row")
    what = f"{len(found):,} examples are more alike to another than {most:g}"
    highest = max((row[2] for row in found), default=None)
    details = {"permutations": _PERMUTATIONS, "bands": _BANDS, "seed": _SEED}
    return Verdict(_NAME, most, highest, is_passed=not found, what=what, offenders=offenders, details=details)


def _alike(examples: pl.DataFrame, most: float) -> Iterator[tuple[str, str, float]]:
    """Yield each example that is too much like one that stays, with the reason and how much."""
    import rensa

    ranks = {label: rank for rank, label in enumerate(LABELS)}
    order = (
        examples.select("key", "label")
        .with_row_index("row")
        .sort(pl.col("label").replace_strict(ranks, return_dtype=pl.Int8), "key")["row"]
    )
    inputs, ids = examples["inputs"], examples["example_id"]
    index = rensa.RMinHashLSH(most, _PERMUTATIONS, _BANDS)
    row_of = array("q")  # of each input that is in the index
    values = lru_cache(4096)(lambda number: json.loads(inputs[row_of[number]]))
    out: set[int] = set()
    for start in range(0, len(order), _SLICE):
        rows = order.slice(start, _SLICE)
        found = [(row, pairs) for row, text in zip(rows, inputs.gather(rows), strict=True) if (pairs := _pairs(text))]
        if not found:
            continue
        first = len(row_of)
        row_of.extend(row for row, _ in found)
        matrix = rensa.RMinHash.digest_matrix_from_token_sets([pairs for _, pairs in found], _PERMUTATIONS, _SEED)
        flags = index.insert_matrix_and_query_duplicate_flags(matrix, first)
        for number in (first + place for place, flag in enumerate(flags) if flag):
            sketch = rensa.RMinHash(_PERMUTATIONS, _SEED)
            sketch.update(found[number - first][1])
            kept = sorted(each for each in index.query(sketch) if each < number and each not in out)[:_MOST_COMPARED]
            best = max(((likeness(values(number), values(each)), each) for each in kept), default=(0.0, 0))
            if best[0] > most:
                out.add(number)
                yield ids[row_of[number]], f"{best[0]:.2f} alike to {ids[row_of[best[1]]]}", best[0]


def _pairs(text: str) -> list[str]:
    """Return the pairs of words of an input's JSON; nothing where there are few words.

    Words are what blanks part, which takes a third of the time; what is found is compared by its letters and digits.
    """
    words = text[:_LONGEST].casefold().split()
    if len(words) < _FEWEST_WORDS:
        return []
    return [f"{one} {other}" for one, other in pairwise(words)]


def _field_likeness(one: Any, other: Any) -> float:
    if one == other:
        return 1.0
    if not isinstance(one, str) or not isinstance(other, str):
        return 0.0
    pairs, others = _of_text(one), _of_text(other)
    return len(pairs & others) / len(pairs | others) if pairs or others else 0.0


def _of_text(text: str) -> frozenset[tuple[str, ...]]:
    words = _WORD.findall(text[:_LONGEST].casefold())
    return frozenset(pairwise(words)) or frozenset({tuple(words)} if words else ())


NEAR_DUPLICATES: Final = Gate(_NAME, "examples", _judge)
