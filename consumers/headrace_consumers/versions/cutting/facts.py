"""What a cut tells of a version: metadata.json, manifest.json, and notes for the user."""

import datetime as dt
import hashlib
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Final

import polars as pl

from headrace.config import Config
from headrace_consumers.versions.cutting.asked import Asked
from headrace_consumers.versions.cutting.assembling import Assembled
from headrace_consumers.versions.cutting.figures import label_shares, set_aside_counts, split_figures
from headrace_consumers.versions.reading.survey import Fields
from headrace_consumers.versions.reading.tables import Table, Tables
from headrace_schemas import canonical
from headrace_schemas.dataset_files import PRODUCTION
from headrace_schemas.dataset_manifest import FileFacts

__all__ = ["FORMAT", "manifest_of", "metadata_of", "notes_of"]

FORMAT: Final = 1
_DIGITS: Final = 8


def metadata_of(config: Config, asked: Asked, found: Assembled, now: dt.datetime) -> dict[str, Any]:
    """Return what metadata.json holds but for the version's name."""
    figures = split_figures(found.examples)
    telemetry = found.examples.filter(pl.col("source") == "telemetry")
    quality = found.examples["quality"].mean()
    return {
        "signature": asked.signature,
        "version": "",
        "made_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "examples": found.examples.height,
        "splits": figures,
        "label_shares": label_shares(figures),
        "set_aside": set_aside_counts(found.aside),
        "environment": asked.environment,
        "made_for": asked.made_for,
        "fields_hash": found.recipe.fields_hash,
        "rows_read": found.read.rows,
        "times_seen": int(telemetry["times_seen"].sum()),
        "mean_quality": quality,
        "difficulty_bounds": found.recipe.difficulty_bounds,
        "gates": [
            {**verdict.for_manifest(), "what": verdict.what, "details": verdict.details} for verdict in found.verdicts
        ],
        "targets": {name: getattr(config.optimization, f"{name}_target") for name in ("telemetry", "git", "synthetic")},
    }


def manifest_of(found: Assembled, tables: Tables, config: Config, files: Mapping[str, FileFacts]) -> dict[str, Any]:
    """Return what manifest.json holds but for the version's name."""
    read = found.read

    def at(table: Table | None) -> dict[str, Any] | None:
        return None if table is None else {"id": table.id, "version": table.version}

    return {
        "format": FORMAT,
        "signature": found.recipe.signature,
        "version": "",
        "fields_hash": found.recipe.fields_hash,
        "environment": found.recipe.environment,
        "headrace": metadata.version("headrace"),
        "recipe": found.recipe.as_json(),
        "tables": {
            "interactions": at(tables.interactions),
            "sightings": at(tables.sightings),
            "feedback": at(tables.feedback),
        },
        "rows": read.rows,
        "offsets": read.interactions.as_list(),
        "sighting_offsets": read.sightings.as_list(),
        "feedback_offsets": read.feedback.as_list(),
        "filter": _filter(config, found.recipe.signature),
        "redaction_versions": dict(sorted(read.redaction_versions.items())),
        "dedup_policies": dict(sorted(read.dedup_policies.items())),
        "module_versions": dict(sorted(read.module_versions.items())),
        "sources": found.waiting.read,
        "edits": {"size_bytes": found.edits.size_bytes, "sha256": found.edits.sha256},
        "gates": [verdict.for_manifest() for verdict in found.verdicts],
        "files": files,
    }


def _filter(config: Config, signature: str) -> dict[str, Any]:
    """Return what the consumer's filter let through, as it is configured now; rows do not tell what it was for them."""
    thresholds = config.filters.for_signature(signature).model_dump(mode="json")
    return {"version": hashlib.sha256(canonical.dumps(thresholds)).hexdigest()[:_DIGITS], "thresholds": thresholds}


def notes_of(fields: list[Fields], chosen: Fields | None, found: Assembled, asked: Asked) -> list[str]:
    """Return what the user should know beside the figures, a line each."""
    notes = []
    if asked.environment != PRODUCTION:
        notes.append(
            f"calls of {asked.environment}: `latest` stays as it was, for only versions of {PRODUCTION} become it; "
            f"load this one by its name, headrace.load_dataset(..., environment={asked.environment!r})"
        )
    others = [each for each in fields if each is not chosen]
    if chosen is not None and others:
        listed = ", ".join(f"{each.fields_hash} ({each.rows:,} rows)" for each in others[:5])
        notes.append(
            f"the fields of this signature have changed: cut are {chosen.fields_hash} ({chosen.rows:,} rows), "
            f"{'as asked' if asked.fields else 'those of the newest call'}; there are also {listed}: --fields HASH"
        )
    versions = set(found.read.module_versions)
    candidates = sorted(versions - set(found.recipe.baseline_versions))
    if candidates:
        theirs, rows = (sum(found.read.module_versions[each] for each in some) for some in (candidates, versions))
        notes.append(
            f"candidates, whose own outputs are no test: {', '.join(candidates[:5])} ({theirs:,} of {rows:,} rows); "
            "one that is served to everybody by now, after a promotion say, belongs into versions.baseline_versions, "
            "or test gets no new example"
        )
    notes += [
        f"{source}: {count:,} lines are no examples and were left out"
        for source, count in found.waiting.skipped.items()
    ]
    if found.edits.torn:
        notes.append(f"edits.jsonl: {len(found.edits.torn):,} lines are no edits and were left out")
    if found.edits_unmet:
        notes.append(
            f"edits.jsonl: of {found.edits_unmet:,} examples that were changed by hand none was met: their calls are "
            "gone, or of another environment, or the signature's fields have changed, and with them the keys"
        )
    if found.read.suppressed:
        notes.append(f"{found.read.suppressed:,} rows are of people who were erased, and were left out")
    if found.read.unkeyed:
        notes.append(f"{found.read.unkeyed:,} rows have no deduplication key, and were left out")
    return notes
