"""Whose rows go, and by which columns a table tells them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from headrace_schemas import keys

__all__ = ["Choice", "Wanted", "feedback_choice", "interaction_choice", "sighting_choice"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is to be erased.

    Attributes:
        subjects: pseudonyms, as records hold them.
        requests: request ids, of which all records go.
        untold: of the subjects, those that the certificate does not name: a plain hash of an id can be guessed.
    """

    subjects: frozenset[str]
    requests: frozenset[str] = frozenset()
    untold: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows of a table go.

    Attributes:
        columns: that are needed to tell.
        of: tells it of each row; never null.
    """

    columns: tuple[str, ...]
    of: Callable[[pa.Table], pa.ChunkedArray]


def interaction_choice(wanted: Wanted) -> Choice:
    """Return which rows of the dataset go."""

    def of(rows: pa.Table) -> pa.ChunkedArray:
        return pc.or_(_in(rows["subject_id"], wanted.subjects), _in(rows["request_id"], wanted.requests))

    return Choice(("subject_id", "request_id"), of)


def feedback_choice(wanted: Wanted, requests: Collection[str]) -> Choice:
    """Return which feedback goes: the person's, and what nobody else said about the person's requests."""

    def of(rows: pa.Table) -> pa.ChunkedArray:
        subjects = rows["subject_id"]
        about = pc.and_(_in(rows["request_id"], requests), pc.is_null(subjects))
        return pc.or_(pc.or_(_in(subjects, wanted.subjects), _in(rows["request_id"], wanted.requests)), about)

    return Choice(("subject_id", "request_id"), of)


def sighting_choice(wanted: Wanted, requests: Collection[str], dedup_keys: Collection[str]) -> Choice:
    """Return which sightings go: copies from the person's requests, and copies of the rows that go."""
    hashes = {keys.request_id_hash(request).hex() for request in {*wanted.requests, *requests}}

    def of(rows: pa.Table) -> pa.ChunkedArray:
        return pc.or_(_in(rows["request_hash"], hashes), _in(rows["dedup_key"], dedup_keys))

    return Choice(("request_hash", "dedup_key"), of)


def _in(column: pa.ChunkedArray, values: Collection[str]) -> pa.ChunkedArray:
    return pc.is_in(column.cast(pa.string()), value_set=pa.array(sorted(values), pa.string()))
