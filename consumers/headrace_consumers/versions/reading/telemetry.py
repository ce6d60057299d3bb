"""The signature's rows of the table, as rows of a cut: spilled by key while they are read, whole a bucket at a time.

    interactions --batches--> spill --bucket--> one a key, times seen, what was said --> WAITING, sorted by key
    sightings    --of these keys--> spill --^                    ^
    feedback     --of these requests--> memory ------------------+

Memory: a bucket's rows, 16 bytes of each row's key and request, and the feedback on them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from headrace_consumers.joins import copies_of
from headrace_consumers.versions.cutting.merging import SET_ASIDE
from headrace_consumers.versions.files import json_text
from headrace_consumers.versions.files.ahead import side_by_side
from headrace_consumers.versions.reading.rows import as_examples
from headrace_consumers.versions.reading.said import FEEDBACK_COLUMNS, Said, said_of
from headrace_consumers.versions.reading.spill import Spill
from headrace_consumers.versions.reading.tables import Ranges, Table, Tables, where
from headrace_consumers.versions.sources.waiting import WAITING
from headrace_schemas import keys
from headrace_schemas.dataset_manifest import OffsetRange

__all__ = ["Chosen", "FromTables", "Telemetry"]

_COLUMNS: Final = (
    "dedup_key", "request_id", "subject_id", "parent_event_id", "module_name", "module_version", "program_hash",
    "input", "output", "timestamp_ms", "latency_ms", "cost_usd", "model", "lm_calls", "inclusion_probability",
    "redaction_version", "dedup_policy", "attributes", "quality", "topic", "topic_id", "partition", "offset",
)  # fmt: skip
_SIGHTING_COLUMNS: Final = ("dedup_key", "request_hash", "topic", "topic_id", "partition", "offset")
_SIGHTINGS: Final = {
    "dedup_key": pl.String(),
    "request_hash": pl.String(),
    "topic_id": pl.String(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
}
_KEY: Final = "^[0-9a-f]{64}$"

_Hashes: TypeAlias = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which rows.

    Attributes:
        signature: whose.
        environment: of it.
        fields_hash: of its fields.
        baseline_versions: module_version of what is served to everybody; what has another is a candidate's.
        category_attribute: which attribute is the category.
    """

    signature: str
    environment: str
    fields_hash: str
    baseline_versions: frozenset[str]
    category_attribute: str


@dataclass(slots=True)
class FromTables:
    """What was read, for the manifest and for the user.

    Attributes:
        rows: of the signature that were read.
        suppressed: rows left out, for they are of erased people.
        unkeyed: rows left out, for they have no key that can be used.
        interactions: where the rows came from.
        sightings: where their copies did.
        feedback: where what was said of them did.
        redaction_versions: found, with how many rows each.
        dedup_policies: likewise.
        module_versions: likewise.
        module_names: likewise.
        inclusion_probabilities: likewise.
    """

    rows: int = 0
    suppressed: int = 0
    unkeyed: int = 0
    interactions: Ranges = field(default_factory=Ranges)
    sightings: Ranges = field(default_factory=Ranges)
    feedback: Ranges = field(default_factory=Ranges)
    redaction_versions: dict[str, int] = field(default_factory=dict)
    dedup_policies: dict[str, int] = field(default_factory=dict)
    module_versions: dict[str, int] = field(default_factory=dict)
    module_names: dict[str, int] = field(default_factory=dict)
    inclusion_probabilities: dict[float, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Places:
    """Where in Kafka the rows must come from; None: from anywhere.

    Attributes:
        interactions: see FromTables, and so are the next two.
        sightings: see there.
        feedback: see there.
    """

    interactions: Sequence[OffsetRange] | None = None
    sightings: Sequence[OffsetRange] | None = None
    feedback: Sequence[OffsetRange] | None = None


class Telemetry:
    """Reads the tables once, then gives the examples bucket by bucket.

    Args:
        tables: what there is.
        chosen: which rows.
        folder: for what is spilled.
        buckets: how many parts.
        places: where the rows must come from.
        progress: told how many rows were read so far.

    Attributes:
        read: what was read.
    """

    def __init__(
        self,
        tables: Tables,
        chosen: Chosen,
        folder: Path,
        buckets: int,
        *,
        places: Places,
        progress: Callable[[int], object],
    ) -> None:
        self.read: Final = FromTables()
        self._noting = Lock()
        self._tables = tables
        self._chosen = chosen
        self._places = places
        self._progress = progress
        self._rows = Spill(folder / "rows", "dedup_key", buckets)
        self._sightings = Spill(folder / "sightings", "dedup_key", buckets)
        key_parts, request_parts = self._spill_rows(tables.interactions)
        keys_known = _sorted(key_parts)
        requests = _sorted([*request_parts, *self._spill_sightings(tables.sightings, keys_known)])
        self._feedback = self._feedback_on(tables.feedback, requests)
        self._feedback_requests = _beginning(self._feedback["request_hash"])

    def bucket(self, number: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the examples of a bucket, WAITING, a key once, and what was set aside, SET_ASIDE."""
        rows = self._rows.read(number)
        sightings = self._sightings.read(number)
        if rows is None:
            return pl.DataFrame(schema=WAITING), pl.DataFrame(schema=SET_ASIDE)
        seen = pl.DataFrame(schema=_SIGHTINGS) if sightings is None else sightings
        rows = rows.sort("dedup_key", "timestamp_ms", "topic_id", "partition", "offset")
        said = self._said_of(rows, seen)
        rows = rows.with_columns(_copies=pl.len().over("dedup_key")).unique(
            "dedup_key", keep="first", maintain_order=True
        )
        rows = rows.join(copies_of(seen.lazy()).collect(), on="dedup_key", how="left", maintain_order="left")
        return as_examples(
            rows,
            said,
            baseline_versions=self._chosen.baseline_versions,
            category_attribute=self._chosen.category_attribute,
        )

    def _said_of(self, rows: pl.DataFrame, sightings: pl.DataFrame) -> dict[str, Said]:
        """Return what was said of a bucket's rows: few of them, and little of the feedback, have to be joined."""
        if self._feedback.is_empty():
            return {}
        linked = sightings.drop_nulls("request_hash")
        of_rows, of_copies = _beginning(rows["request_hash"]), _beginning(linked["request_hash"])
        feedback = self._feedback.filter(_is_in(self._feedback_requests, _sorted([of_rows, of_copies])))
        if feedback.is_empty():
            return {}
        asked = _sorted([_beginning(feedback["request_hash"])])
        linked = linked.filter(_is_in(of_copies, asked))
        touched = [rows["dedup_key"].filter(_is_in(of_rows, asked)), linked["dedup_key"]]
        rows = rows.filter(_is_in(_beginning(rows["dedup_key"]), _sorted([_beginning(each) for each in touched])))
        return said_of(rows, linked, feedback)

    def _spill_rows(self, table: Table | None) -> tuple[list[_Hashes], list[_Hashes]]:
        key_parts: list[_Hashes] = []
        request_parts: list[_Hashes] = []
        if table is None:
            return key_parts, request_parts
        chosen = self._chosen
        condition = where(
            {
                "signature": chosen.signature,
                "environment": chosen.environment,
                "fields_hash": chosen.fields_hash,
                "capture_level": "full",
            }
        )
        with self._rows as spill:

            def made(found: pl.DataFrame) -> tuple[_Hashes, _Hashes, dict[int, pa.Table]]:
                batch = self._usable(found)
                hashes = keys.request_id_hashes(batch["request_id"])
                batch = batch.with_columns(
                    pl.Series("request_hash", hashes, dtype=pl.String),
                    input=json_text.on_one_line(batch["input"]),
                    output=json_text.on_one_line(batch["output"]),
                )
                return _beginning(batch["dedup_key"]), _beginning(batch["request_hash"]), spill.parts(batch)

            batches = table.batches(_COLUMNS, condition, self._places.interactions)
            for some_keys, some_requests, parts in side_by_side(made, batches):
                spill.add(parts)
                key_parts.append(some_keys)
                request_parts.append(some_requests)
                self._progress(self.read.rows)
        return key_parts, request_parts

    def _usable(self, rows: pl.DataFrame) -> pl.DataFrame:
        is_keyed = rows["dedup_key"].str.contains(_KEY)
        keyed = rows if is_keyed.all() else rows.filter(is_keyed)
        suppressed = self._tables.is_suppressed(keyed)
        usable = keyed if suppressed is None else keyed.filter(~suppressed)
        with self._noting:
            self.read.unkeyed += len(rows) - len(keyed)
            self.read.suppressed += len(keyed) - len(usable)
            self._note(usable)
        return usable

    def _note(self, rows: pl.DataFrame) -> None:
        self.read.rows += len(rows)
        self.read.interactions.add(rows)
        noted: tuple[tuple[str, dict[Any, int]], ...] = (
            ("redaction_version", self.read.redaction_versions),
            ("dedup_policy", self.read.dedup_policies),
            ("module_version", self.read.module_versions),
            ("module_name", self.read.module_names),
            ("inclusion_probability", self.read.inclusion_probabilities),
        )
        for column, counts in noted:
            for value, count in rows[column].value_counts().iter_rows():
                counts[value] = counts.get(value, 0) + count

    def _spill_sightings(self, table: Table | None, known: _Hashes) -> Iterator[_Hashes]:
        if table is None or not len(known):
            return
        with self._sightings as spill:
            for batch in table.batches(_SIGHTING_COLUMNS, None, self._places.sightings):
                keyed = batch.filter(pl.col("dedup_key").str.contains(_KEY))
                some = keyed.filter(_is_in(_beginning(keyed["dedup_key"]), known))
                if some.is_empty():
                    continue
                self.read.sightings.add(some)
                spill.add(spill.parts(some.select(*_SIGHTINGS).cast(_SIGHTINGS)))  # type: ignore[arg-type]
                yield _beginning(some["request_hash"].drop_nulls())

    def _feedback_on(self, table: Table | None, requests: _Hashes) -> pl.DataFrame:
        schema = {name: pl.String() for name in FEEDBACK_COLUMNS}
        none = pl.DataFrame(schema=schema)
        if table is None or not len(requests):
            return none
        condition = where(
            {"environment": self._chosen.environment}
        )  # a test of staging may replay production's requests
        found = []
        for batch in table.batches(FEEDBACK_COLUMNS, condition, self._places.feedback):
            some = batch.filter(_is_in(_beginning(batch["request_hash"]), requests))
            suppressed = self._tables.is_suppressed_feedback(some)
            some = some if suppressed is None else some.filter(~suppressed)
            if not some.is_empty():
                self.read.feedback.add(some)
                found.append(some)
        if not found:
            return none
        # The order of the files has no say in which of two equal records stands.
        return pl.concat(found).sort("feedback_id", "topic_id", "partition", "offset")


def _beginning(digits: pl.Series) -> _Hashes:
    """Return the first 64 bits of texts of hex digits."""
    found: _Hashes = (
        digits.str.slice(0, 16).str.to_integer(base=16, dtype=pl.UInt64).to_numpy().astype(np.uint64, copy=False)
    )
    return found


def _sorted(parts: Sequence[_Hashes]) -> _Hashes:
    """Return them all in their order, each once; `np.unique` hashes them, which takes ten times as long."""
    ordered = np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.uint64)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _is_in(values: _Hashes, known: _Hashes) -> pl.Series:
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return pl.Series(known[at] == values)
