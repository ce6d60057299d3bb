"""`headrace aggregate`: a log to a table of its own, without Kafka."""

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headrace_consumers.cli.consumer_display import tally_lines
from headrace_consumers.cli.log_files import (
    BadLinesPath,
    FieldsHashes,
    SamplingRate,
    bad_line_figures,
    fields_hashes,
    lines_of,
    side_file,
)
from headrace_consumers.cli.options import AsJson, ConfigPath
from headrace_consumers.cli.present import figures, print_json, print_lines

if TYPE_CHECKING:
    from headrace.config import Config

__all__ = ["EXAMPLE", "command"]

_COUNTS: Final = ("consumed", "kept", "duplicates", "rejected", "outcomes", "unknown", "commits")
EXAMPLE: Final = "Example: headrace aggregate --log-file logs/dspy_production.jsonl --output-dir training_data"


def command(
    *,
    log_file: Annotated[
        list[Path], typer.Option("--log-file", metavar="FILE", help="JSON Lines, plain or gzip. Repeatable.")
    ],
    output_dir: Annotated[
        str | None,
        typer.Option(
            "--output-dir", metavar="DIR", show_default=False, help="The table is DIR/interactions; made if missing."
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            "--table",
            metavar="PLACE",
            show_default=False,
            help="The table itself, a local folder or s3://...; options of the store are dataset.storage_options.",
        ),
    ] = None,
    min_quality_score: Annotated[
        float | None,
        typer.Option(min=0, max=1, show_default=False, help="Lower scores are rejected, of all signatures."),
    ] = None,
    max_latency_ms: Annotated[
        float | None, typer.Option(min=0, show_default=False, help="Slower calls are rejected, ms, of all signatures.")
    ] = None,
    max_cost_usd: Annotated[
        float | None, typer.Option(min=0, show_default=False, help="Dearer calls are rejected, USD, of all signatures.")
    ] = None,
    sampling_rate_pct: SamplingRate = 100,
    fields_hash: FieldsHashes = None,
    bad_lines_path: BadLinesPath = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> int:
    """Filter and deduplicate the calls of a log into a Delta table, without Kafka.

    A threshold that is given holds for all signatures, also for those that have their own in the configuration; one
    that is not given is the configuration's. A line that is no record, or one not to be trusted, goes to a side file,
    with its number and the reason. Aggregating a file twice adds nothing.
    """
    from headrace.config import load
    from headrace_consumers import logs
    from headrace_consumers.dataset.delta.store_at import store_at
    from headrace_consumers.history.aggregating import Aggregation
    from headrace_consumers.history.importing import readable
    from headrace_consumers.history.records import HistoricRecords

    logs.configure("auto", "error")  # the counts and the side file tell the rest
    given = {
        "min_quality_score": min_quality_score,
        "max_latency_ms": max_latency_ms,
        "max_cost_usd": max_cost_usd,
    }
    config = _with_thresholds(load(config_path), {name: value for name, value in given.items() if value is not None})
    place, folder = _places(output_dir, table)
    store = store_at(place, config.dataset.storage_options)
    bad_lines = side_file(bad_lines_path or folder / "aggregate.bad-lines.jsonl", log_file)
    records = HistoricRecords(
        config,
        now_ms=_now_ms,
        fields_hashes=fields_hashes(fields_hash),
        inclusion_probability=sampling_rate_pct / 100,
        encrypts=False,  # the table is plain
    )
    aggregation = Aggregation(config, store, bad_lines, now_ms=_now_ms)
    with closing(bad_lines), lines_of(log_file) as lines:
        tally = aggregation.run(readable(lines, records, bad_lines)).as_dict()
    del tally["dead_letters"]  # they are bad lines, and counted as such
    if as_json:
        print_json({**tally, "bad_lines": dict(bad_lines.reasons), "table": place})
    else:
        print_lines([*tally_lines(tally, _COUNTS), *figures(bad_line_figures(bad_lines)), f"table: {place}"])
    return int(tally["consumed"] == 0 and bad_lines.reasons.total() > 0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _places(output_dir: str | None, table: str | None) -> tuple[str, Path]:
    """Return where the table is, and the folder in which the side file goes."""
    from headrace.errors import UsageError

    if output_dir is not None and "://" in output_dir:
        raise UsageError(f"--output-dir {output_dir}: is no local folder; give the table itself, --table PLACE")
    if output_dir is not None and table is None:
        return str(Path(output_dir) / "interactions"), Path(output_dir)
    if output_dir is None and table is not None:
        return table, Path()
    raise UsageError("aggregate: where to? Give either --output-dir DIR or --table PLACE")


def _with_thresholds(config: "Config", changes: dict[str, Any]) -> "Config":
    """Return the configuration with these thresholds for all signatures."""
    filters = config.filters
    default = type(filters.default).model_validate({**filters.default.model_dump(), **changes})
    own = {name: its.model_copy(update=dict.fromkeys(changes)) for name, its in filters.signatures.items()}
    return config.model_copy(update={"filters": filters.model_copy(update={"default": default, "signatures": own})})
