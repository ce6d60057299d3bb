"""Reads the demo's table, as anybody can: polars over the Delta log."""

import re
import shlex
import shutil
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import polars as pl
from deltalake import DeltaTable

from headrace_consumers.cli.table_access import needs_pyarrow, scan_of
from headrace_consumers.dataset.side_tables import feedback_beside, sightings_path
from headrace_consumers.demo.summary import EMAIL, FeedbackFacts, TableFacts
from headrace_consumers.joins import feedback_on

__all__ = ["feedback_facts", "listing_line", "query_line", "table_facts"]

EXAMPLES: Final = 3
_SHELL_SPECIAL: Final = re.compile(r"[\\\"$`!]")
_SAID: Final = ("request_id", "score", "label", "comment")
_SHOWN: Final = (
    "signature",
    "input",
    "output",
    "latency_ms",
    "cost_usd",
    "quality",
    "redactions",
    "partition",
    "offset",
)


def table_facts(path: str) -> TableFacts:
    """Return the facts about the table at `path`; polars' and delta-rs' errors pass through."""
    table = scan_of(DeltaTable(path))
    totals = (
        table.select(
            pl.len().alias("rows"),
            pl.col("dedup_key").n_unique().alias("distinct_keys"),
            _has_email(table).sum().alias("rows_with_email"),
        )
        .collect()
        .row(0, named=True)
    )
    counts = table.group_by("signature").agg(pl.len().alias("rows")).sort("signature").collect()
    return TableFacts(
        rows=totals["rows"],
        distinct_keys=totals["distinct_keys"],
        rows_with_email=totals["rows_with_email"],
        signatures=dict(counts.iter_rows()),
        examples=_examples(table),
    )


def feedback_facts(path: str, rated: Collection[str]) -> FeedbackFacts:
    """Return the facts about the feedback on the table at `path`.

    Args:
        path: the dataset's.
        rated: the ids of the requests on which feedback was given, once each.
    """
    rows, said = scan_of(DeltaTable(path)), scan_of(DeltaTable(feedback_beside(path)))
    sightings = pl.LazyFrame(schema={"request_hash": pl.String, "dedup_key": pl.String})
    if DeltaTable.is_deltatable(sightings_path(path)):  # else nothing came twice
        sightings = scan_of(DeltaTable(sightings_path(path)))
    feedback = said.collect()
    requests = rows.select("request_id").unique().collect()["request_id"]
    joined = feedback_on(rows, sightings, feedback.lazy()).collect()
    itself = joined.filter(~pl.col("to_a_copy"))
    examples = itself.sort(pl.col("comment").is_null(), "partition", "offset").head(1).to_dicts()
    return FeedbackFacts(
        rows=feedback.height,
        distinct=feedback["feedback_id"].n_unique(),
        rows_with_email=feedback.select(_has_email(said).sum()).item(),
        on_rated_rows=len(set(requests) & set(rated)),
        joined_itself=itself["feedback_id"].n_unique(),
        joined=joined["feedback_id"].n_unique(),
        example={name: examples[0][name] for name in _SAID} if examples else None,
    )


def _has_email(table: pl.LazyFrame) -> pl.Expr:
    """Tell of a row whether an address is left in it; it may hide anywhere, also in the signature's name or a hash."""
    texts = [name for name, kind in table.collect_schema().items() if kind == pl.String]
    return pl.any_horizontal(pl.col(texts).str.contains(EMAIL.pattern).fill_null(value=False))


def _examples(table: pl.LazyFrame) -> list[dict[str, Any]]:
    """Return rows of different signatures first, those in which something was redacted before others."""
    ordered = table.select(_SHOWN).sort("redactions", "partition", "offset", descending=[True, False, False])
    return (
        ordered.with_columns(pl.int_range(pl.len()).over("signature").alias("turn"))
        .sort("turn", "signature")
        .drop("turn")
        .head(EXAMPLES)
        .collect()
        .to_dicts()
    )


def listing_line(config_path: str, what: str = "dataset ls") -> str:
    """Return a line for a shell that lists the table by `headrace`, with its path where the shell would not find it.

    Args:
        config_path: the demo's configuration.
        what: the command that shows it.
    """
    command = Path(sys.executable).with_name("headrace")
    found = shutil.which("headrace")
    is_found = found is not None and Path(found).absolute() == command.absolute()
    return f"{'headrace' if is_found else shlex.quote(str(command))} {what} --config {shlex.quote(config_path)}"


def query_line(path: str) -> str:
    """Return a line for a shell that queries the table: DuckDB over polars, which need no extension and no network."""
    how = ", use_pyarrow=True" if needs_pyarrow(path) else ""
    program = (
        f"import duckdb, polars; calls = polars.scan_delta({path!r}{how}); "  # noqa: S608  # a path of ours, not a value
        "print(duckdb.sql('select signature, count(*) n, avg(quality) from calls group by all'))"
    )
    # In double quotes it stays readable, where the path has nothing that a shell would read there.
    quoted = shlex.quote(program) if _SHELL_SPECIAL.search(program) else f'"{program}"'
    return f"{shlex.quote(sys.executable)} -c {quoted}"
