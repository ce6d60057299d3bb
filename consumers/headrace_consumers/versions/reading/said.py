"""What people said of the examples, however late: a correction is the output then, a score is the quality.

several corrections    the newest (by its time, then its id)
several scores         their mean
a correction           fields that it names replace the served ones; the example's quality is 1
no module named        the whole request is meant, which is its outermost call; of a copy that became no row it is not
                       known whether it was that, and taken from the row that its key has
fields that the output does not have: of the outermost call the example is set aside, for its output is known to be
wrong; of an inner call, and of a copy, nothing follows, for the correction may be of another's output
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from headrace_consumers.joins import feedback_on
from headrace_schemas import CanonicalizationError, canonical

__all__ = ["FEEDBACK_COLUMNS", "Said", "corrected", "said_of"]

FEEDBACK_COLUMNS: Final = (
    "feedback_id", "request_id", "request_hash", "module_name", "subject_id", "score", "correction", "timestamp_ms",
    "truncated", "redaction_version", "topic", "topic_id", "partition", "offset",
)  # fmt: skip

_SAID_COLUMNS: Final = (
    "score", "correction", "feedback_id", "timestamp_ms", "subject_id", "request_hash", "redaction_version",
    "truncated",
)  # fmt: skip

UNFIT: Final = "its correction does not fit: {why}"


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of one example.

    Attributes:
        score: the mean of the scores; None: nobody gave one.
        scores: how many.
        correction: the newest one's text; None: there is none.
        corrected_by: its feedback_id.
        corrected_at_ms: when it was given.
        corrected_subject_id: the pseudonym of the person who gave it; None: it is not known.
        corrected_request_hash: of the request that it was given to, hex.
        corrected_redaction_version: the rules by which it was redacted.
        is_cut: it was too long and was cut.
        is_of_copy: it was given to a request whose call became no row.
    """

    score: float | None = None
    scores: int = 0
    correction: str | None = None
    corrected_by: str | None = None
    corrected_at_ms: int | None = None
    corrected_subject_id: str | None = None
    corrected_request_hash: str | None = None
    corrected_redaction_version: str | None = None
    is_cut: bool = False
    is_of_copy: bool = False

    def as_provenance(self) -> dict[str, Any]:
        """Return it for the provenance: an erasure finds by it whose words the correction is."""
        told: dict[str, Any] = {"scores": self.scores} if self.scores else {}
        if self.correction is not None:
            told |= {
                "corrected_by": self.corrected_by,
                "corrected_at_ms": self.corrected_at_ms,
                "corrected_redaction_version": self.corrected_redaction_version,
                "corrected_request_id_hash": self.corrected_request_hash,
                "corrected_subject_id": self.corrected_subject_id,
            }
        return told


def said_of(rows: pl.DataFrame, sightings: pl.DataFrame, feedback: pl.DataFrame) -> dict[str, Said]:
    """Return what was said of each example of whom anything was.

    Args:
        rows: `dedup_key`, `request_id`, `module_name`, `parent_event_id`; also a key's rows that do not stand.
        sightings: `dedup_key` and `request_hash` of the rows' copies.
        feedback: FEEDBACK_COLUMNS.
    """
    if feedback.is_empty():
        return {}
    is_outermost = pl.col("parent_event_id").is_null()
    calls = rows.group_by("dedup_key", "request_id").agg(is_outermost=is_outermost.any())
    of_keys = rows.group_by("dedup_key").agg(is_key_outermost=is_outermost.any())
    found = (
        feedback_on(rows.lazy(), sightings.lazy(), feedback.lazy())
        .collect()
        .join(calls, on=["dedup_key", "request_id"], how="left")
        .join(of_keys, on="dedup_key", how="left")
        .filter(pl.col("module_name").is_not_null() | pl.coalesce("is_outermost", "is_key_outermost"))
        .with_columns(is_of_copy=pl.col("is_outermost").is_null())
        .sort("dedup_key", "timestamp_ms", "feedback_id")
    )
    of_key: dict[str, list[dict[str, Any]]] = {}
    for each in found.select("dedup_key", "is_of_copy", *_SAID_COLUMNS).iter_rows(named=True):
        of_key.setdefault(each["dedup_key"], []).append(each)
    return {key: said for key, given in of_key.items() if (said := _together(given)) is not None}


def _together(given: list[dict[str, Any]]) -> Said | None:
    scores = [each["score"] for each in given if each["score"] is not None]
    corrections = [each for each in given if each["correction"] is not None]
    if not scores and not corrections:
        return None
    mean = sum(scores) / len(scores) if scores else None
    if not corrections:
        return Said(mean, len(scores))
    newest = corrections[-1]
    return Said(
        mean,
        len(scores),
        newest["correction"],
        newest["feedback_id"],
        newest["timestamp_ms"],
        newest["subject_id"],
        newest["request_hash"],
        newest["redaction_version"],
        is_cut=bool(newest["truncated"]),
        is_of_copy=newest["is_of_copy"],
    )


@dataclass(slots=True)
class Corrected:
    """What the corrections of some rows come to.

    Attributes:
        outputs: key -> the outputs as they should have been, canonical JSON.
        whole: the keys of which somebody said every output.
        unfit: key -> why its correction is of no use.
    """

    outputs: dict[str, str] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    unfit: dict[str, str] = field(default_factory=dict)


def corrected(rows: pl.DataFrame, said: Mapping[str, Said]) -> Corrected:
    """Return the outputs of the rows that somebody corrected.

    Args:
        rows: `dedup_key`, `output`, `parent_event_id`.
        said: by key.
    """
    found = Corrected()
    keys = [key for key, each in said.items() if each.correction is not None]
    some = rows.filter(pl.col("dedup_key").is_in(keys)).select("dedup_key", "output", "parent_event_id")
    for key, output, parent in some.iter_rows():
        try:
            found.outputs[key], is_whole = _merged(output, said[key])
        except _UnfitError as error:
            if parent is None and not said[key].is_of_copy:
                found.unfit[key] = UNFIT.format(why=error)
        else:
            found.whole |= {key} if is_whole else set()
    return found


class _UnfitError(Exception):
    pass


def _merged(output: str, said: Said) -> tuple[str, bool]:
    """Return the outputs, and whether the correction names them all."""
    if said.is_cut:
        raise _UnfitError("it was too long and was cut")
    try:
        correction, served = canonical.loads(said.correction or ""), canonical.loads(output)
    except CanonicalizationError:
        raise _UnfitError("it is no JSON") from None
    if not isinstance(correction, dict) or not correction:
        raise _UnfitError("it names no output field")
    # A call that failed has no output to compare with.
    if served and (unknown := sorted(correction.keys() - served.keys())):
        raise _UnfitError(f"there is no output field {unknown[0][:80]}")
    return canonical.dumps({**served, **correction}).decode(), correction.keys() >= served.keys()
