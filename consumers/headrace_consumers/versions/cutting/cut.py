"""A cut from its beginning to its published version.

survey -> recipe -> assemble -> gates -> files in a private folder -> manifest, metadata -> published
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import polars as pl

from headrace.config import Config
from headrace.config.consumers import Dedup
from headrace.errors import UsageError
from headrace_consumers.versions.cutting.assembling import Assembled, Progress, Sources, assemble, judged
from headrace_consumers.versions.cutting.figures import label_shares, set_aside_counts, split_figures
from headrace_consumers.versions.cutting.recipe import Recipe
from headrace_consumers.versions.cutting.scorer import load_scorer
from headrace_consumers.versions.cutting.targets import Target, targets
from headrace_consumers.versions.files.disk import write_file
from headrace_consumers.versions.files.writing import facts_of, write_examples, write_json, write_set_aside
from headrace_consumers.versions.gates import GATES, Gate, Verdict
from headrace_consumers.versions.reading.survey import Fields, baseline_versions, chosen_fields, survey
from headrace_consumers.versions.reading.tables import Table, Tables
from headrace_consumers.versions.shelf.publishing import Hook, no_hook, workplace
from headrace_consumers.versions.telling.card import CARD, card
from headrace_consumers.versions.telling.report import REPORT, report
from headrace_schemas import canonical
from headrace_schemas.dataset_files import PRODUCTION, folder_name, version_name
from headrace_schemas.dataset_manifest import MANIFEST, METADATA, FileFacts

__all__ = ["FORMAT", "Asked", "Done", "cut", "signature_folder"]

FORMAT: Final = 1
_UNKNOWN_FIELDS: Final = ""
_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants cut.

    Attributes:
        signature: whose examples.
        environment: of which environment.
        fields: the hash of the fields, or its beginning; None: those of the newest call.
        most: so many examples, drawn by difficulty and category; None: all.
        is_strict: whether a gate that is not passed ends it.
        is_rehearsal: whether it ends behind the gates, and nothing is published.
        made_for: who wants it, as metadata.json then says.
    """

    signature: str
    environment: str = PRODUCTION
    fields: str | None = None
    most: int | None = None
    is_strict: bool = False
    is_rehearsal: bool = False
    made_for: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it.

    Attributes:
        path: the version's folder; None: nothing was published, for it was a rehearsal, or `is_strict` and a gate was
            not passed.
        metadata: what metadata.json holds.
        verdicts: of all gates.
        set_aside: gate -> how many it took out.
        targets: how far the sources are from theirs.
        notes: what the user should know, a line each.
    """

    path: Path | None
    metadata: Mapping[str, Any]
    verdicts: list[Verdict]
    set_aside: Mapping[str, int]
    targets: list[Target]
    notes: list[str] = field(default_factory=list)


def cut(
    config: Config,
    asked: Asked,
    tables: Tables,
    *,
    now: Callable[[], dt.datetime],
    gates: tuple[Gate, ...] = GATES,
    hook: Hook = no_hook,
    progress: Progress = lambda _what, _count: None,
) -> Done:
    """Cut a version and publish it.

    Args:
        config: its sections versions, dedup, optimization.
        asked: what.
        tables: a pinned version of each.
        now: UTC; nothing but metadata.json tells it.
        gates: which.
        hook: see publishing.
        progress: see assembling.

    Raises:
        UsageError: there is nothing to cut, or no such fields.
        ConfigError: the scorer cannot be imported.
        VersionsError: something cannot be read or written; nothing was published.
        PoolError: a source's file cannot be read; likewise.
    """
    folder = signature_folder(config, asked.signature)
    fields = survey(
        tables.interactions, asked.signature, asked.environment, lambda count: progress("looking through rows", count)
    )
    chosen = chosen_fields(fields, asked.fields)
    recipe = _recipe(config, asked, chosen)
    scorer = load_scorer(recipe.difficulty_scorer)
    sources = Sources(Path(config.versions.path), folder)
    with workplace(folder, hook) as place:
        found = assemble(
            recipe,
            tables,
            sources,
            place.work,
            rows=0 if chosen is None else chosen.rows,
            scorer=scorer,
            progress=progress,
        )
        _insist_on_some(found, asked, config)
        progress("gates", 0)
        found = judged(found, gates)
        told = _metadata(config, asked, found, now())
        done = Done(
            None,
            told,
            found.verdicts,
            told["set_aside"],
            targets(config, asked.signature, told["splits"], told["times_seen"], told["set_aside"]),
            _notes(fields, chosen, found, asked),
        )
        if asked.is_rehearsal or (asked.is_strict and not all(verdict.is_passed for verdict in found.verdicts)):
            return done
        if found.examples.is_empty():
            raise UsageError(
                f"dataset cut: the gates set all {found.aside.height:,} examples aside; loosen versions.gates, "
                "or --strict lists them"
            )
        progress("writing", 0)
        files = write_examples(place.folder, found.examples)
        files["set_aside.jsonl"] = write_set_aside(place.folder, found.aside)
        manifest = _manifest(found, tables, config, files)

        def complete(folder: Path, number: int) -> None:
            _complete(folder, number, manifest, told)

        number = place.publish(complete, is_latest=asked.environment == PRODUCTION)
    path = folder / version_name(number)
    return Done(path, {**told, "version": path.name}, done.verdicts, done.set_aside, done.targets, done.notes)


def signature_folder(config: Config, signature: str) -> Path:
    """Return where a signature's versions are.

    Raises:
        UsageError: its name cannot name a folder.
    """
    try:
        return Path(config.versions.path) / folder_name(signature)
    except ValueError as error:
        raise UsageError(f"--signature: {error}; give its class a shorter name") from None


def _recipe(config: Config, asked: Asked, chosen: Fields | None) -> Recipe:
    versions = config.versions
    policies = config.dedup.signatures
    return Recipe(
        signature=asked.signature,
        environment=asked.environment,
        fields_hash=(asked.fields or _UNKNOWN_FIELDS) if chosen is None else chosen.fields_hash,
        baseline_versions=tuple(sorted(baseline_versions(versions.baseline_versions, chosen))),
        category_attribute=versions.category_attribute,
        splits=versions.splits,
        difficulties=versions.difficulties,
        difficulty_bounds=versions.difficulty_bounds,
        difficulty_scorer=versions.difficulty_scorer,
        most=asked.most,
        thresholds=versions.gates.for_signature(asked.signature),
        dedup=Dedup(signatures={name: policies[name] for name in (asked.signature, "*") if name in policies}),
    )


def _insist_on_some(found: Assembled, asked: Asked, config: Config) -> None:
    if not found.examples.is_empty():
        return
    taken = f" ({found.aside.height:,} were set aside)" if found.aside.height else ""
    raise UsageError(
        f"dataset cut: no example of {asked.signature} in environment {asked.environment}{taken}: headrace dataset ls "
        f"names the signatures of {config.dataset.path}, --environment chooses another"
    )


def _metadata(config: Config, asked: Asked, found: Assembled, now: dt.datetime) -> dict[str, Any]:
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


def _manifest(found: Assembled, tables: Tables, config: Config, files: Mapping[str, FileFacts]) -> dict[str, Any]:
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


def _complete(folder: Path, number: int, manifest: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """Write the files that carry the version's number, over those of an earlier try."""
    for name in (METADATA, MANIFEST, CARD, REPORT):
        (folder / name).unlink(missing_ok=True)
    figures: Any = {**told, "version": version_name(number)}
    write_json(folder / METADATA, figures)
    files = {**manifest["files"], METADATA: facts_of(folder / METADATA)}
    complete: Any = {**manifest, "version": version_name(number), "files": dict(sorted(files.items()))}
    write_json(folder / MANIFEST, complete)
    write_file(folder / CARD, card(figures, complete).encode())
    write_file(folder / REPORT, report(folder).encode("utf-8", "replace"))


def _notes(fields: list[Fields], chosen: Fields | None, found: Assembled, asked: Asked) -> list[str]:
    notes = []
    if asked.environment != PRODUCTION:
        notes.append(
            f"calls of {asked.environment}: `latest` stays as it was, for only versions of {PRODUCTION} become it; "
            f"load this one by its name, headrace.load_dataset(..., environment={asked.environment!r})"
        )
    others = [each for each in fields if each is not chosen]
    if chosen is None:
        notes.append(
            f"no call of {asked.signature} in the table: its fields are unknown, and once there are calls these "
            "examples may change their split"
        )
    elif others:
        listed = ", ".join(f"{each.fields_hash} ({each.rows:,} rows)" for each in others[:5])
        notes.append(
            f"the fields of this signature have changed: cut are {chosen.fields_hash} ({chosen.rows:,} rows), "
            f"{'as asked' if asked.fields else 'those of the newest call'}; there are also {listed}: --fields HASH"
        )
    candidates = sorted(set(found.read.module_versions) - set(found.recipe.baseline_versions))
    if candidates:
        notes.append(
            f"candidates, whose own outputs are no test: {', '.join(candidates[:5])} (versions.baseline_versions)"
        )
    notes += [
        f"{source}: {count:,} lines are no examples and were left out"
        for source, count in found.waiting.skipped.items()
    ]
    if found.edits.torn:
        notes.append(f"edits.jsonl: {len(found.edits.torn):,} lines are no edits and were left out")
    if found.read.suppressed:
        notes.append(f"{found.read.suppressed:,} rows are of people who were erased, and were left out")
    if found.read.unkeyed:
        notes.append(f"{found.read.unkeyed:,} rows have no deduplication key, and were left out")
    return notes
