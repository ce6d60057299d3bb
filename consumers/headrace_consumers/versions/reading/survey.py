"""What the table has of a signature, before anything is read whole: versions of its fields, and of its programs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from headrace.errors import UsageError
from headrace_consumers.versions.cutting.asked import RolloutVersions
from headrace_consumers.versions.reading.tables import Table, where

__all__ = ["Fields", "baseline_versions", "chosen_fields", "survey"]

BASELINE: Final = "baseline"


@dataclass(frozen=True, slots=True)
class Fields:
    """The rows of one version of a signature's fields.

    Attributes:
        fields_hash: its identity.
        rows: in the environment.
        newest_ms: the newest call, Unix time.
        module_versions: module_version -> rows.
    """

    fields_hash: str
    rows: int
    newest_ms: int
    module_versions: dict[str, int]


def survey(
    table: Table | None, signature: str, environment: str, progress: Callable[[int], object] = lambda _: None
) -> list[Fields]:
    """Return the versions of a signature's fields, the newest first; none: the table has no such row.

    Raises:
        VersionsError: the table cannot be read.
    """
    if table is None:
        return []
    condition = where({"signature": signature, "environment": environment, "capture_level": "full"})
    counted: dict[tuple[str, str], tuple[int, int]] = {}
    rows = 0
    for batch in table.batches(["fields_hash", "module_version", "timestamp_ms"], condition):
        rows += len(batch)
        progress(rows)
        found = batch.group_by("fields_hash", "module_version").agg(
            pl.len().alias("rows"), pl.col("timestamp_ms").max().alias("newest")
        )
        for fields_hash, version, count, newest in found.iter_rows():
            known = counted.get((fields_hash, version), (0, newest))
            counted[fields_hash, version] = known[0] + count, max(known[1], newest)
    hashes = {fields_hash for fields_hash, _ in counted}
    return sorted(
        (
            Fields(
                each,
                sum(count for (of, _), (count, _) in counted.items() if of == each),
                max(newest for (of, _), (_, newest) in counted.items() if of == each),
                {version: count for (of, version), (count, _) in sorted(counted.items()) if of == each},
            )
            for each in hashes
        ),
        key=lambda fields: (-fields.newest_ms, -fields.rows, fields.fields_hash),
    )


def chosen_fields(found: list[Fields], wanted: str | None) -> Fields | None:
    """Return the version that is cut: the wanted one, else that of the newest call; None: there is no row.

    Args:
        found: see `survey`.
        wanted: its hash, or the beginning of it.

    Raises:
        UsageError: the wanted one is not there, or is several.
    """
    if wanted is None or not found:
        return found[0] if found else None
    fitting = [fields for fields in found if fields.fields_hash.startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    what = "is the beginning of several" if fitting else "no such fields"
    there = ", ".join(f"{fields.fields_hash} ({fields.rows:,} rows)" for fields in (fitting or found)[:10])
    raise UsageError(f"--fields {wanted}: {what}; there are: {there or 'none'}")


def baseline_versions(
    configured: tuple[str, ...] | None, fields: Fields | None, rollouts: RolloutVersions
) -> frozenset[str]:
    """Return the module_version of what is served to everybody.

    Args:
        configured: versions.baseline_versions.
        fields: what is cut.
        rollouts: what they have put before everybody beside the code as deployed, and what not.
    """
    if configured is not None:
        return frozenset(configured)
    counts = {} if fields is None else fields.module_versions
    rows = {each: count for each, count in counts.items() if each not in rollouts.promoted}
    if not rows or BASELINE in rows:
        return rollouts.promoted | {BASELINE}
    if of_code := {each: count for each, count in rows.items() if each not in rollouts.candidates}:
        rows = of_code
    elif rollouts.promoted:
        return rollouts.promoted  # the code as deployed has no rows any more
    most = max(rows.values())
    return rollouts.promoted | {min(version for version, count in rows.items() if count == most)}
