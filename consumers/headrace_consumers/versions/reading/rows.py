"""Rows of the table as rows of a cut: what was said of them applied, their provenance written, failures set aside."""

import re
from typing import Final

import polars as pl

from headrace_consumers.versions.cutting.merging import set_aside
from headrace_consumers.versions.files import json_text
from headrace_consumers.versions.reading.said import Said, corrected
from headrace_consumers.versions.sources.waiting import WAITING
from headrace_schemas import canonical

__all__ = ["as_examples"]

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_]+", re.ASCII)


def as_examples(
    rows: pl.DataFrame, said: dict[str, Said], *, baseline_versions: frozenset[str], category_attribute: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return examples, WAITING, and what was set aside, SET_ASIDE.

    Args:
        rows: a key once; the table's columns, `request_hash`, `_copies` (rows of the key) and `copies` (sightings).
        said: of keys.
        baseline_versions: module_version of what is served to everybody.
        category_attribute: which attribute is the category.
    """
    mended = corrected(rows, said)
    scores = {key: each.score for key, each in said.items() if each.score is not None}
    key = pl.col("dedup_key")
    is_corrected = key.is_in(list(mended.outputs))
    is_judged = key.is_in(list(scores))
    told = {each: canonical.dumps(given.as_provenance()).decode() for each, given in said.items()}
    nothing = pl.lit(None, dtype=pl.String)
    examples = rows.with_columns(_feedback=_replaced(key, told, nothing)).with_columns(
        output=_replaced(key, mended.outputs, pl.col("output")),
        label=pl.when(is_corrected)
        .then(pl.lit("corrected"))
        .when(is_judged)
        .then(pl.lit("judged"))
        .otherwise(pl.lit("unverified")),
        quality=pl.when(is_corrected)
        .then(pl.lit(1.0))
        .otherwise(
            key.replace_strict(scores, default=pl.col("quality"), return_dtype=pl.Float64)
            if scores
            else pl.col("quality")
        ),
        category=_category(category_attribute),
        provenance=_provenance(),
        is_candidate=~pl.col("module_version").is_in(list(baseline_versions)) & ~key.is_in(list(mended.whole)),
    )
    aside = pl.lit(None, dtype=pl.String)
    if mended.unfit:
        aside = key.replace_strict(mended.unfit, default=None, return_dtype=pl.String)
    aside = pl.coalesce(aside, pl.when(pl.col("output") == "{}").then(pl.lit("the call failed: it has no output")))
    examples = examples.with_columns(_aside=aside, source=pl.lit("telemetry"), key=key)
    out = set_aside(examples.filter(pl.col("_aside").is_not_null()), "outputs", pl.col("_aside"))
    kept = examples.filter(pl.col("_aside").is_null()).select(
        "key",
        pl.col("input").alias("inputs"),
        pl.col("output").alias("outputs"),
        "source",
        "label",
        "category",
        pl.lit(None, dtype=pl.String).alias("difficulty"),
        "quality",
        (1 / pl.col("inclusion_probability")).alias("weight"),
        (pl.col("_copies").cast(pl.Int64) + pl.col("copies").fill_null(0).cast(pl.Int64)).alias("times_seen"),
        "timestamp_ms",
        "provenance",
        "latency_ms",
        "lm_calls",
        "is_candidate",
    )
    return kept.select(*WAITING), out


def _provenance() -> pl.Expr:
    return json_text.object_text(
        {
            "cost_usd": json_text.number("cost_usd"),
            "dedup_policy": json_text.text("dedup_policy"),
            "feedback": json_text.raw("_feedback"),
            "inclusion_probability": json_text.number("inclusion_probability"),
            "latency_ms": json_text.number("latency_ms"),
            "model": json_text.text("model"),
            "module_name": json_text.text("module_name"),
            "module_version": json_text.text("module_version"),
            "offset": json_text.integer("offset"),
            "original_timestamp_ms": json_text.integer("timestamp_ms"),
            "partition": json_text.integer("partition"),
            "program_hash": json_text.text("program_hash"),
            "redaction_version": json_text.text("redaction_version"),
            "request_id_hash": json_text.plain("request_hash"),
            "subject_id": json_text.text("subject_id"),
            "topic": json_text.text("topic"),
            "topic_id": json_text.text("topic_id"),
        },
        optional=("feedback",),
    )


def _replaced(key: pl.Expr, values: dict[str, str], otherwise: pl.Expr) -> pl.Expr:
    return key.replace_strict(values, default=otherwise, return_dtype=pl.String) if values else otherwise


def _category(attribute: str) -> pl.Expr:
    name = attribute if _PLAIN_NAME.fullmatch(attribute) else None
    if name is None:
        quoted = attribute.replace("\\", "\\\\").replace("'", "\\'")
        return pl.col("attributes").str.json_path_match(f"$['{quoted}']")
    # Most records have none: the text alone tells.
    has_any = pl.col("attributes").str.contains(f'"{name}"', literal=True)
    return pl.when(has_any).then(pl.col("attributes").str.json_path_match(f"$.{name}"))
