"""What belongs to a row: how often its key was seen, and the feedback that was given to it or to one of its copies.

    feedback.request_id   = row.request_id                                        given to the kept call itself
    feedback.request_hash = sighting.request_hash, sighting.dedup_key = row.dedup_key       given to a copy of it

Feedback that names a module belongs to the rows of that module only. A feedback or a sighting that stands in its table
twice counts once.
"""

import polars as pl

__all__ = ["copies_of", "feedback_on"]


def copies_of(sightings: pl.LazyFrame) -> pl.LazyFrame:
    """Return how many copies of each key came beside its row: `dedup_key`, `copies`.

    Args:
        sightings: SIGHTING_SCHEMA.
    """
    return sightings.unique(["topic_id", "partition", "offset"]).group_by("dedup_key").agg(pl.len().alias("copies"))


def feedback_on(rows: pl.LazyFrame, sightings: pl.LazyFrame, feedback: pl.LazyFrame) -> pl.LazyFrame:
    """Return the feedback on each row: `dedup_key`, `to_a_copy`, and the feedback's own columns.

    Args:
        rows: at least `dedup_key`, `request_id`, `module_name` of the interactions.
        sightings: SIGHTING_SCHEMA.
        feedback: FEEDBACK_SCHEMA.
    """
    rows = rows.select("dedup_key", "request_id", pl.col("module_name").alias("_of_module"))
    feedback = feedback.unique("feedback_id", keep="first", maintain_order=True)
    direct = feedback.join(rows, on="request_id").with_columns(to_a_copy=pl.lit(value=False))
    links = sightings.select("request_hash", "dedup_key").drop_nulls().unique()
    by_copy = (
        feedback.join(links, on="request_hash")
        .join(rows.select("dedup_key", "_of_module"), on="dedup_key")
        .with_columns(to_a_copy=pl.lit(value=True))
    )
    found = pl.concat([direct, by_copy], how="diagonal_relaxed")
    concerns = pl.col("module_name").is_null() | (pl.col("module_name") == pl.col("_of_module"))
    return (
        found.filter(concerns)
        .drop("_of_module")
        .unique(["dedup_key", "feedback_id"], keep="first", maintain_order=True)
    )
