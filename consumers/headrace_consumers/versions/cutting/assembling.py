"""From the tables and what waits beside them to one frame on disk, sorted by key, each example in its split.

for each bucket of keys: telemetry, other sources -> split -> one a key -> edits -> no candidate in test -> score
bounds of difficulty over all -> difficulty
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from headrace.dedup import Policies
from headrace_consumers.versions.cutting import difficulty
from headrace_consumers.versions.cutting.merging import (
    CONTESTED,
    SET_ASIDE,
    edited,
    no_test,
    of_bad_quality,
    one_a_key,
    set_aside,
    stands_as,
)
from headrace_consumers.versions.cutting.recipe import Recipe
from headrace_consumers.versions.files.ahead import side_by_side
from headrace_consumers.versions.files.examples import EXAMPLES, split_of
from headrace_consumers.versions.files.frame_file import FrameFile, mapped
from headrace_consumers.versions.gates import Verdict
from headrace_consumers.versions.hand.edits import Edits
from headrace_consumers.versions.hand.edits import read as read_edits
from headrace_consumers.versions.reading.spill import bucket_of, buckets_for
from headrace_consumers.versions.reading.tables import Tables
from headrace_consumers.versions.reading.telemetry import Chosen, FromTables, Places, Telemetry
from headrace_consumers.versions.sources.waiting import WAITING, ReadBytes, Waiting, key_maker, waiting

__all__ = [
    "CANDIDATE",
    "CANDIDATES_OWN",
    "Assembled",
    "Progress",
    "Sources",
    "assemble",
    "scored",
    "with_difficulty",
]

Progress = Callable[[str, int], object]
"""Told what is done, and how far it is: rows or parts."""

CANDIDATE: Final = "candidate"
CANDIDATES_OWN: Final = "a candidate's own output, and its split is test"

_FRAME: Final[dict[str, pl.DataType]] = {
    **{name: kind for name, kind in EXAMPLES.items() if name != "example_id"},
    "score": pl.Float64(),
}
_CONTESTED: Final[dict[str, pl.DataType]] = {**WAITING, "split": pl.String(), **CONTESTED}


@dataclass(frozen=True, slots=True)
class Sources:
    """What is read beside the tables; None: all that is there.

    Attributes:
        folder: of all versions.
        signature_folder: in it.
        pools: source -> how much of its file, as a manifest has it.
        left: source -> ids of examples, where its file is no longer what it was: of all its lines these.
        edits: how much of the edits.
        places: where in Kafka the rows must come from.
        contested: keys that several examples had then, be it one by now.
    """

    folder: Path
    signature_folder: Path
    pools: Mapping[str, ReadBytes] | None = None
    left: Mapping[str, Collection[str]] = field(default_factory=dict)
    edits: ReadBytes | None = None
    places: Places = field(default_factory=Places)
    contested: Collection[str] = ()


@dataclass(slots=True)
class Assembled:
    """What a version is made of.

    Attributes:
        examples: EXAMPLES, sorted by key; mapped from disk.
        aside: SET_ASIDE.
        recipe: with the bounds of difficulty.
        read: of the tables.
        waiting: of the other sources, without rows.
        edits: that were applied.
        verdicts: of the gates, as far as they have judged.
        edits_unmet: of so many keys that people changed by hand there was no example.
        contested: all examples of the keys that several have, as people changed them: WAITING, `split`, CONTESTED.
    """

    examples: pl.DataFrame
    aside: pl.DataFrame
    recipe: Recipe
    read: FromTables
    waiting: Waiting
    edits: Edits
    verdicts: list[Verdict]
    edits_unmet: int = 0
    contested: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_CONTESTED))


def assemble(
    recipe: Recipe,
    tables: Tables,
    sources: Sources,
    work: Path,
    *,
    rows: int,
    scorer: difficulty.Scorer | None = None,
    progress: Progress = lambda _what, _count: None,
) -> Assembled:
    """Return the examples, before any gate.

    Args:
        recipe: what decides.
        tables: what there is.
        sources: what waits beside them.
        work: an empty folder; what is spilled stays there.
        rows: about how many the table has.
        scorer: the user's own of difficulty.
        progress: see Progress.

    Raises:
        VersionsError: something cannot be read, or the scorer fails.
        PoolError: likewise of a source.
    """
    edits = read_edits(sources.signature_folder, sources.edits, recipe.environment)
    key_of = key_maker(recipe.signature, recipe.fields_hash, Policies(recipe.dedup))
    others = waiting(sources.folder, recipe.signature, key_of, sources.pools, sources.left)
    buckets = buckets_for(rows + len(others.rows))
    chosen = Chosen(
        recipe.signature,
        recipe.environment,
        recipe.fields_hash,
        frozenset(recipe.baseline_versions),
        recipe.category_attribute,
    )
    telemetry = Telemetry(
        tables, chosen, work, buckets, places=sources.places, progress=lambda count: progress("reading rows", count)
    )
    asides, scores = [], []
    contested = [pl.DataFrame(schema=_CONTESTED)]
    edits_unmet = len(edits.by_key)
    beside = others.rows.with_columns(_bucket=bucket_of("key", buckets))

    def made(bucket: int) -> _Part:
        rows_of, failed = telemetry.bucket(bucket)
        more = beside.filter(pl.col("_bucket") == bucket).drop("_bucket")
        part = rows_of if more.is_empty() else pl.concat([rows_of, more])
        return _part(part, failed, recipe, edits, sources.contested)

    with FrameFile(work / "examples.arrow", _FRAME) as file:
        for bucket, part in enumerate(side_by_side(made, range(buckets))):
            progress("sorting, part", bucket + 1)
            asides += part.asides
            contested.append(part.contested)
            edits_unmet -= part.edits_met
            examples = scored(part.examples, scorer, recipe.difficulty_scorer or "")
            scores.append(examples.filter(pl.col("source") == "telemetry")["score"])
            file.add(examples)
    bounds = recipe.difficulty_bounds or difficulty.bounds_of(
        pl.concat(scores).to_numpy(), recipe.difficulties.easy, recipe.difficulties.hard
    )
    return Assembled(
        with_difficulty(mapped(work / "examples.arrow", _FRAME), bounds),
        pl.concat([pl.DataFrame(schema=SET_ASIDE), *asides]),
        recipe.with_bounds(bounds),
        telemetry.read,
        Waiting(others.rows.clear(), others.read, others.skipped),
        edits,
        [],
        edits_unmet,
        pl.concat(contested),
    )


def with_difficulty(rows: pl.DataFrame, bounds: tuple[float, float]) -> pl.DataFrame:
    """Return scored rows as EXAMPLES: with their ids, and how difficult they are where nobody said."""
    told = pl.coalesce("difficulty", difficulty.difficulty("score", bounds))
    return rows.with_columns(example_id=pl.col("key").str.slice(0, 32), difficulty=told).select(*EXAMPLES)


@dataclass(frozen=True, slots=True)
class _Part:
    """The examples of one bucket, sorted by key, each in its split; the rest as in `Assembled`."""

    examples: pl.DataFrame
    asides: list[pl.DataFrame]
    contested: pl.DataFrame
    edits_met: int


def _part(part: pl.DataFrame, failed: pl.DataFrame, recipe: Recipe, edits: Edits, also: Collection[str]) -> _Part:
    part = part.with_columns(split_of(part["key"], recipe.shares))
    part, several = one_a_key(part, _cannot_stand(part, recipe, edits), also)
    asides, contested = [failed], pl.DataFrame(schema=_CONTESTED)
    if not several.is_empty():
        asides.append(stands_as(part, several.filter(pl.col("place") > 0)))
        contested = edited(several, edits.by_key)[0].select(*_CONTESTED)
    edits_met = part.filter(pl.col("key").is_in(list(edits.by_key))).height
    part, excluded = edited(part, edits.by_key)
    part, candidates = _no_candidate_in_test(part)
    return _Part(
        part if part["key"].is_sorted() else part.sort("key"), [*asides, excluded, candidates], contested, edits_met
    )


def _cannot_stand(part: pl.DataFrame, recipe: Recipe, edits: Edits) -> pl.Series | None:
    """Tell which examples would be set aside though no other had their key; None: the recipe does not ask."""
    if not recipe.usable_first:
        return None
    return of_bad_quality(part, recipe.thresholds.min_quality, edits.by_key) | no_test(part, edits.by_key)


def _no_candidate_in_test(part: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    is_out = (part["split"] == "test") & part["is_candidate"]
    aside = set_aside(part.filter(is_out), CANDIDATE, CANDIDATES_OWN)
    return part.filter(~is_out) if len(aside) else part, aside


def scored(part: pl.DataFrame, scorer: difficulty.Scorer | None, name: str) -> pl.DataFrame:
    """Return examples with their `score`.

    Raises:
        VersionsError: the user's own scorer fails.
    """
    if scorer is None:
        return part.with_columns(score=difficulty.score())
    return part.with_columns(difficulty.own_scores(part, scorer, name))
