"""One example a key: inputs that several sources have, and what people changed by hand.

The best label stands: corrected, judged, given, generated, unverified; among equals hand, import, telemetry, git,
synthetic; then the newest. It keeps the telemetry's weight, and how often it was called with these inputs. What
would be set aside all the same goes last, whatever its label, so that it does not cost an example that can stand.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any, Final

import polars as pl

from headrace_consumers.versions.gates.quality import heuristic
from headrace_consumers.versions.hand.edits import Edit
from headrace_schemas import canonical
from headrace_schemas.dataset_files import LABELS, SOURCE_ORDER

__all__ = [
    "CONTESTED",
    "MERGED",
    "SET_ASIDE",
    "edited",
    "no_test",
    "of_bad_quality",
    "one_a_key",
    "set_aside",
    "stands_as",
]

MERGED: Final = "duplicates"
"""What gave way to an example with the same key is set aside as this; the key has another example that stands."""

SET_ASIDE: Final[dict[str, pl.DataType]] = {
    "example_id": pl.String(),
    "key": pl.String(),
    "source": pl.String(),
    "gate": pl.String(),
    "reason": pl.String(),
    "content_hash": pl.String(),
}
"""What was taken out: no payload, for the reason is what is looked for, and the key finds the rest.

`content_hash` tells which of several examples with one key it was, where another one stands in its place; else null.
"""

CONTESTED: Final[dict[str, pl.DataType]] = {"place": pl.Int64(), "content_hash": pl.String()}
"""Beside an example whose inputs others have: which one in their order it is, from 0, and which by its content."""

_HASHED: Final = ("source", "timestamp_ms", "inputs", "outputs", "provenance")
_HASH_DIGITS: Final = 16


def set_aside(
    examples: pl.DataFrame, gate: str | pl.Expr, reason: pl.Expr | str, content_hash: pl.Expr | None = None
) -> pl.DataFrame:
    """Return examples as rows of SET_ASIDE."""
    why = pl.lit(reason) if isinstance(reason, str) else reason
    return examples.select(
        pl.col("key").str.slice(0, 32).alias("example_id"),
        "key",
        "source",
        (pl.lit(gate) if isinstance(gate, str) else gate).alias("gate"),
        why.alias("reason"),
        (pl.lit(None, dtype=pl.String) if content_hash is None else content_hash).alias("content_hash"),
    )


def stands_as(first: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Return examples that give way to another of their key, as SET_ASIDE.

    Args:
        first: of each key the one that stands: `key`, `label`, `source`.
        others: those that do not.
    """
    said = first.select(
        "key",
        _stands=pl.concat_str(pl.lit("the same inputs stand as "), pl.col("label"), pl.lit(" of "), pl.col("source")),
    )
    return set_aside(others.join(said, on="key", maintain_order="left"), MERGED, pl.col("_stands"))


def one_a_key(
    examples: pl.DataFrame, is_last: pl.Series | None = None, also: Collection[str] = ()
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the examples, a key once, and all of a key that several have, with CONTESTED, whatever their order.

    Args:
        examples: of a range of keys, whole; any columns beside `key`, `source`, `label`, `timestamp_ms`, `inputs`,
            `outputs`, `provenance`, `weight`, `times_seen`.
        is_last: which give way to any other of their key; None: none.
        also: keys that count as one that several have.
    """
    is_contested = pl.col("key").is_duplicated() | pl.col("key").is_in(list(also))
    if not examples.select(is_contested.any()).item():
        return examples, examples.clear().with_columns(*(pl.lit(None, kind).alias(n) for n, kind in CONTESTED.items()))
    ordered = examples.with_columns(
        _is_last=pl.lit(value=False) if is_last is None else is_last,
        _label=pl.col("label").replace_strict(LABELS, range(len(LABELS)), return_dtype=pl.Int8),
        _source=pl.col("source").replace_strict(SOURCE_ORDER, range(len(SOURCE_ORDER)), return_dtype=pl.Int8),
    ).sort(
        "key", "_is_last", "_label", "_source", "timestamp_ms", "outputs", "inputs", "provenance",
        descending=[False, False, False, False, True, False, False, False],
    )  # fmt: skip
    is_telemetry = pl.col("source") == "telemetry"
    ordered = ordered.with_columns(
        weight=pl.col("weight").filter(is_telemetry).first().over("key").fill_null(pl.col("weight")),
        times_seen=pl.col("times_seen").filter(is_telemetry).first().over("key").fill_null(pl.col("times_seen")),
        place=pl.int_range(pl.len()).over("key"),
    )
    several = ordered.filter(is_contested).select(*examples.columns, "place")
    hashes = [
        hashlib.sha256(canonical.dumps(list(row))).hexdigest()[:_HASH_DIGITS] for row in several.select(_HASHED).rows()
    ]
    contested = several.with_columns(pl.Series("content_hash", hashes, dtype=pl.String))
    return ordered.filter(pl.col("place") == 0).select(examples.columns), contested


def of_bad_quality(examples: pl.DataFrame, least_quality: float, edits: Mapping[str, Edit]) -> pl.Series:
    """Tell which examples the gate of quality would take, unless a person said otherwise by hand.

    By its looks only an example is judged whose key others have: the rest cost nobody's place.

    Args:
        examples: `key`, `outputs`, `quality`.
        least_quality: of the gate.
        edits: by key; one that scores an example, or gives its outputs, is what its quality then is.
    """
    is_known = (examples["quality"] < least_quality).fill_null(value=False)
    is_asked = examples["quality"].is_null() & examples["key"].is_duplicated()
    guessed = [heuristic(json.loads(outputs))[0] < least_quality for outputs in examples["outputs"].filter(is_asked)]
    is_bad = is_known.scatter(is_asked.arg_true(), guessed) if guessed else is_known
    scored = [key for key, edit in edits.items() if edit.quality is not None or edit.outputs is not None]
    return is_bad & ~examples["key"].is_in(scored)


def no_test(examples: pl.DataFrame, edits: Mapping[str, Edit]) -> pl.Series:
    """Tell which examples may not stand in test: a candidate's own outputs, unless a person said every one of them.

    Args:
        examples: `key`, `outputs`, `is_candidate`, `split`.
        edits: by key.
    """
    is_out = (examples["split"] == "test") & examples["is_candidate"]
    some = examples.filter(is_out & examples["key"].is_in(list(edits))).select("key", "outputs")
    said = [key for key, outputs in some.iter_rows() if edits[key].is_whole(canonical.loads(outputs))]
    return is_out & ~examples["key"].is_in(said)


def edited(examples: pl.DataFrame, edits: Mapping[str, Edit]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the examples as people changed them, and those that they excluded, as SET_ASIDE.

    Args:
        examples: beside `key` at least `outputs`, `label`, `quality`, `source`, `provenance`.
        edits: by key.
    """
    touched = examples.filter(pl.col("key").is_in(list(edits)))
    if touched.is_empty():
        return examples, pl.DataFrame(schema=SET_ASIDE)
    excluded = {key: _why(edit) for key, edit in edits.items() if edit.is_excluded}
    out = touched.filter(pl.col("key").is_in(list(excluded)))
    aside = set_aside(out, "excluded", pl.col("key").replace_strict(excluded, default=None, return_dtype=pl.String))
    changed = [_changed(row, edits[row["key"]]) for row in touched.iter_rows(named=True) if row["key"] not in excluded]
    kept = examples.filter(~pl.col("key").is_in(touched["key"].to_list()))
    return pl.concat([kept, pl.DataFrame(changed, schema=examples.schema)]), aside


def _changed(row: dict[str, Any], edit: Edit) -> dict[str, Any]:
    metadata = canonical.loads(row["provenance"])
    metadata["edits"] = list(edit.history)
    changed = {**row, "provenance": canonical.dumps(metadata).decode()}
    if edit.quality is not None:
        changed["quality"] = edit.quality
        changed["label"] = row["label"] if row["label"] == "corrected" else "judged"
    if edit.outputs is not None:
        own = canonical.loads(row["outputs"])
        changed |= {"outputs": canonical.dumps(edit.over(own)).decode(), "label": "corrected"}
        changed["is_candidate"] = row["is_candidate"] and not edit.is_whole(own)
        changed["quality"] = 1.0 if edit.quality is None else edit.quality
    return changed


def _why(edit: Edit) -> str:
    last = [each for each in edit.history if each["kind"] == "exclude"][-1]
    return f"excluded by {last['who']}: {json.dumps(last['why'], ensure_ascii=False)}"
