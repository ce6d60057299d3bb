"""Tables of a dataset in memory, and a configuration whose versions go to a folder."""

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

from headrace.config import Config, load
from headrace_consumers.versions.cutting.cut import Asked, Done, cut
from headrace_consumers.versions.gates import GATES, Gate
from headrace_consumers.versions.reading.tables import Table, Tables
from headrace_schemas import canonical, keys
from tests.support.interactions import interaction

__all__ = ["SIGNATURE", "config_of", "cut_of", "feedback_table", "lines", "row", "sightings_table", "table"]

SIGNATURE = "extract_requirements"
NOW = dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC)

_FEEDBACK = {
    "feedback_id": pl.String, "request_id": pl.String, "request_hash": pl.String, "module_name": pl.String,
    "subject_id": pl.String, "score": pl.Float64, "correction": pl.String, "timestamp_ms": pl.Int64,
    "truncated": pl.Boolean, "redaction_version": pl.String, "topic": pl.String, "topic_id": pl.String,
    "partition": pl.Int32, "offset": pl.Int64, "environment": pl.String,
}  # fmt: skip
_SIGHTING = {
    "dedup_key": pl.String, "request_hash": pl.String, "topic": pl.String, "topic_id": pl.String,
    "partition": pl.Int32, "offset": pl.Int64,
}  # fmt: skip


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A row of the table, at offset `number` of partition 0; request `r-<number>`."""
    place = {"topic": "interactions", "topic_id": "topic-id", "partition": 0, "offset": number}
    fixed = {"request_id": f"r-{number}", "timestamp_ms": 1_760_000_000_000 + number, "quality": 1.0}
    return {**interaction(f"question {number}"), **fixed, **place, **changes}


def table(rows: Sequence[dict[str, Any]], version: int = 1) -> Table:
    """A table of these rows, one file for each hundred."""
    schema = {
        **dict.fromkeys(("parent_event_id", "subject_id", "program_hash", "model"), pl.String),
        "latency_ms": pl.Float64, "cost_usd": pl.Float64, "lm_calls": pl.Int64, "partition": pl.Int32,
    }  # fmt: skip
    frame = pl.DataFrame(list(rows), schema_overrides=schema, infer_schema_length=None)
    return _table(frame, version)


def feedback_table(*given: dict[str, Any]) -> Table:
    """A feedback table; offsets follow the order."""
    filled = [
        {
            "feedback_id": f"f-{at}",
            "request_hash": keys.request_id_hash(each["request_id"]).hex(),
            "timestamp_ms": 1_770_000_000_000 + at,
            "truncated": False,
            "redaction_version": "none",
            "environment": "production",
            "topic": "feedback",
            "topic_id": "feedback-id",
            "partition": 0,
            "offset": at,
            **each,
        }
        for at, each in enumerate(given)
    ]
    return _table(pl.DataFrame(filled, schema=_FEEDBACK), 1)


def sightings_table(*copies: tuple[str, str]) -> Table:
    """A sightings table of (key, request id)."""
    rows = [
        {
            "dedup_key": key,
            "request_hash": keys.request_id_hash(request).hex(),
            "topic": "interactions",
            "topic_id": "topic-id",
            "partition": 0,
            "offset": 10_000 + at,
        }
        for at, (key, request) in enumerate(copies)
    ]
    return _table(pl.DataFrame(rows, schema=_SIGHTING), 1)


def _table(frame: pl.DataFrame, version: int) -> Table:
    parts = [pa.table(part.to_arrow()) for part in frame.iter_slices(100)] or [frame.to_arrow()]
    schema = pa.schema(
        [field.with_type(pa.string()) if field.type == pa.large_string() else field for field in parts[0].schema]
    )
    return Table(ds.dataset([part.cast(schema) for part in parts]), "table", "table-id", version)


def config_of(folder: Path, **sections: Any) -> Config:
    """The defaults, with the versions in a folder; any quality will do."""
    any_quality = {"gates": {"default": {"min_quality": 0}}}
    versions = {"path": str(folder), **any_quality, **sections.pop("versions", {})}
    return load(None, {"versions": versions, **sections}, {})


def cut_of(
    folder: Path,
    tables: Tables | Sequence[dict[str, Any]],
    config: Config | None = None,
    gates: tuple[Gate, ...] = GATES,
    **asked: Any,
) -> Done:
    """Cut a version into a folder."""
    found = tables if isinstance(tables, Tables) else Tables(table(tables))
    return cut(config or config_of(folder), Asked(SIGNATURE, **asked), found, now=lambda: NOW, gates=gates)


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, each of which is canonical JSON."""
    texts = path.read_bytes().splitlines()
    assert all(canonical.dumps(json.loads(text)) == text for text in texts)
    return [json.loads(text) for text in texts]


def examples(done: Done) -> dict[str, dict[str, Any]]:
    """The examples of a version by their question, with their split."""
    assert done.path is not None
    return {
        line["inputs"]["question"]: {**line, "split": split}
        for split in ("train", "val", "test")
        for line in lines(done.path / f"{split}.jsonl")
    }
