"""A cut from its beginning to its published version.

survey -> recipe -> assemble -> gates -> files in a private folder -> manifest, metadata -> published
"""

import datetime as dt
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from headrace.config import Config
from headrace.config.consumers import Dedup
from headrace.errors import UsageError
from headrace_consumers.versions.cutting.asked import Asked
from headrace_consumers.versions.cutting.assembling import Assembled, Progress, Sources, assemble
from headrace_consumers.versions.cutting.contested import passed_over, put_back
from headrace_consumers.versions.cutting.facts import manifest_of, metadata_of, notes_of
from headrace_consumers.versions.cutting.judging import judged
from headrace_consumers.versions.cutting.latest_recipe import latest_recipe
from headrace_consumers.versions.cutting.recipe import Recipe
from headrace_consumers.versions.cutting.scorer import load_scorer
from headrace_consumers.versions.cutting.targets import Target, targets
from headrace_consumers.versions.files.disk import write_file
from headrace_consumers.versions.files.writing import facts_of, write_examples, write_json, write_set_aside
from headrace_consumers.versions.gates import GATES, Gate, Verdict
from headrace_consumers.versions.reading.survey import Fields, baseline_versions, chosen_fields, survey
from headrace_consumers.versions.reading.tables import Tables
from headrace_consumers.versions.shelf.fitness import has_train, may_be_latest
from headrace_consumers.versions.shelf.publishing import Hook, no_hook, workplace
from headrace_consumers.versions.telling.card import CARD, card
from headrace_consumers.versions.telling.report import REPORT, Drawn, drawn_of, report
from headrace_schemas.dataset_files import SOURCES_FOLDER, folder_name, version_name
from headrace_schemas.dataset_manifest import MANIFEST, METADATA

__all__ = ["Asked", "Done", "cut", "signature_folder"]

_UNKNOWN_FIELDS: Final = ""


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
    if chosen is None and not any((folder / SOURCES_FOLDER).glob("*.jsonl")):
        raise _nothing_there(asked, config)  # before a folder is made of a name that was misspelt
    latest = latest_recipe(folder) if chosen is None else None
    recipe = _recipe(config, asked, chosen, latest)
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
        if recipe.fitting_first:
            found = put_back(found, passed_over(found, gates), scorer)
        found = judged(found, gates)
        told = metadata_of(config, asked, found, now())
        done = Done(
            None,
            told,
            found.verdicts,
            told["set_aside"],
            targets(
                config,
                asked.signature,
                told["splits"],
                found.read,
                times_seen=told["times_seen"],
                set_aside=told["set_aside"],
            ),
            [*_fields_from(asked, chosen, latest), *notes_of(fields, chosen, found, asked)],
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
        manifest = manifest_of(found, tables, config, files)
        drawn = drawn_of(place.folder)

        def complete(folder: Path, number: int) -> None:
            _complete(folder, number, manifest, told, drawn)

        number = place.publish(complete, is_latest=may_be_latest(manifest))
    path = folder / version_name(number)
    notes = [*done.notes, *_not_the_latest(manifest, path)]
    return Done(path, {**told, "version": path.name}, done.verdicts, done.set_aside, done.targets, notes)


def signature_folder(config: Config, signature: str) -> Path:
    """Return where a signature's versions are.

    Raises:
        UsageError: its name cannot name a folder.
    """
    try:
        return Path(config.versions.path) / folder_name(signature)
    except ValueError as error:
        raise UsageError(f"--signature: {error}; give its class a shorter name") from None


def _recipe(config: Config, asked: Asked, chosen: Fields | None, latest: tuple[str, Recipe] | None) -> Recipe:
    versions = config.versions
    policies = config.dedup.signatures
    known = _UNKNOWN_FIELDS if latest is None else latest[1].fields_hash
    return Recipe(
        signature=asked.signature,
        environment=asked.environment,
        fields_hash=(asked.fields or known) if chosen is None else chosen.fields_hash,
        baseline_versions=tuple(sorted(baseline_versions(versions.baseline_versions, chosen, asked.rollouts))),
        category_attribute=versions.category_attribute,
        splits=versions.splits,
        difficulties=versions.difficulties,
        difficulty_bounds=versions.difficulty_bounds,
        difficulty_scorer=versions.difficulty_scorer,
        most=asked.most,
        thresholds=versions.gates.for_signature(asked.signature),
        dedup=Dedup(signatures={name: policies[name] for name in (asked.signature, "*") if name in policies}),
        usable_first=True,
        fitting_first=True,
    )


def _fields_from(asked: Asked, chosen: Fields | None, latest: tuple[str, Recipe] | None) -> Iterator[str]:
    """Yield the note that tells by which fields the keys are made where no call tells."""
    if chosen is not None:
        return
    none = f"no call of {asked.signature} in the table: "
    if asked.fields is None and latest is not None and latest[1].fields_hash != _UNKNOWN_FIELDS:
        yield f"{none}its fields are taken to be those of {latest[0]}, and its examples keep their split"
    else:
        yield f"{none}its fields are unknown, and once there are calls these examples may change their split"


def _insist_on_some(found: Assembled, asked: Asked, config: Config) -> None:
    if not found.examples.is_empty():
        return
    raise _nothing_there(asked, config, f" ({found.aside.height:,} were set aside)" if found.aside.height else "")


def _nothing_there(asked: Asked, config: Config, taken: str = "") -> UsageError:
    return UsageError(
        f"dataset cut: no example of {asked.signature} in environment {asked.environment}{taken}: headrace dataset ls "
        f"names the signatures of {config.dataset.path}, --environment chooses another"
    )


def _not_the_latest(manifest: Mapping[str, Any], path: Path) -> Iterator[str]:
    """Yield the note that a version has nothing to learn from; that it is not of production is told already."""
    if not has_train(manifest):
        yield (
            "train is empty: `latest` stays as it was; headrace versions rollback "
            f"-s {shlex.quote(manifest['signature'])} {path.name} makes this version the latest all the same"
        )


def _complete(folder: Path, number: int, manifest: Mapping[str, Any], told: Mapping[str, Any], drawn: Drawn) -> None:
    """Write the files that carry the version's number, over those of an earlier try."""
    for name in (METADATA, MANIFEST, CARD, REPORT):
        (folder / name).unlink(missing_ok=True)
    figures: Any = {**told, "version": version_name(number)}
    write_json(folder / METADATA, figures)
    files = {**manifest["files"], METADATA: facts_of(folder / METADATA)}
    complete: Any = {**manifest, "version": version_name(number), "files": dict(sorted(files.items()))}
    write_json(folder / MANIFEST, complete)
    write_file(folder / CARD, card(figures, complete).encode())
    write_file(folder / REPORT, report(folder, drawn).encode("utf-8", "replace"))
