"""`headrace import FILE...`: logs of before into the dataset, through Kafka like live traffic."""

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer

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
from headrace_consumers.cli.present import count, figures, print_json, print_lines, shares

__all__ = ["EXAMPLE", "command"]

EXAMPLE: Final = "Example: headrace import logs/dspy_production.*.jsonl.gz --config headrace.json"


def command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSON Lines, plain or gzip.")],
    *,
    sampling_rate_pct: SamplingRate = 100,
    fields_hash: FieldsHashes = None,
    bad_lines_path: BadLinesPath = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> int:
    """Send the calls of old logs to Kafka, redacted; the dataset consumer filters and deduplicates them as any other.

    Reads the document's log in all its shapes and Headrace's own. A line that is no record, or one that
    the consumer would not read, goes to a side file, with its number and the reason. Importing a file twice adds
    nothing.
    """
    from headrace.config import load
    from headrace.delivery.sinks.kafka import KafkaSink
    from headrace_consumers.dataset.kafka.admin import TopicAdmin
    from headrace_consumers.history.importing import publish, readable
    from headrace_consumers.history.records import HistoricRecords

    config = load(config_path)
    bad_lines = side_file(bad_lines_path or Path("import.bad-lines.jsonl"), files)
    records = HistoricRecords(
        config,
        now_ms=lambda: time.time_ns() // 1_000_000,
        fields_hashes=fields_hashes(fields_hash),
        inclusion_probability=sampling_rate_pct / 100,
    )
    topic = TopicAdmin(config).describe().topic
    with closing(bad_lines), lines_of(files) as lines:
        published = publish((record for _, record in readable(lines, records, bad_lines)), KafkaSink(config))
    if as_json:
        print_json(
            {
                "topic": topic,
                "published": published,
                "bad_lines": dict(bad_lines.reasons),
                "bad_lines_path": str(bad_lines.path) if bad_lines.reasons else None,
                "redactions": dict(records.redactions),
            }
        )
    else:
        rows = [
            ("published", count(published), f"to {topic}"),
            ("redacted", count(records.redactions.total()), shares(records.redactions)),
            *bad_line_figures(bad_lines),
        ]
        print_lines(figures(rows))
    return int(published == 0 and bad_lines.reasons.total() > 0)
