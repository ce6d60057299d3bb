"""Reading every file of a version once: is it readable, is it what the log says, which keys and offsets are in it."""

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace_consumers.verification.snapshot import ActiveFile, Snapshot

__all__ = ["Contents", "Place", "Span", "read", "repeated"]

SCAN_ROWS: Final = 200_000
_KEY_LENGTH: Final = 64
_FINGERPRINT_DIGITS: Final = 16
_COLUMNS: Final = ("dedup_key", "topic", "topic_id", "partition", "offset")

Place: TypeAlias = tuple[str, str, int]
"""Topic, topic id, partition."""


@dataclass(slots=True)
class Span:
    """A partition's rows: how many, the smallest and the largest offset."""

    rows: int
    first: int
    last: int

    def with_(self, other: "Span") -> "Span":
        """Return both together."""
        return Span(self.rows + other.rows, min(self.first, other.first), max(self.last, other.last))


@dataclass(slots=True)
class Contents:
    """What is in the files of one version.

    Attributes:
        files: how many.
        rows: in the readable ones.
        broken: path -> what is wrong with the file.
        fingerprints: of each row's key the number that its first 16 digits write, in no order, shape (rows,).
        odd_keys: rows whose key is not 64 hex digits.
        spans: the rows of each partition.
    """

    files: int = 0
    rows: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    fingerprints: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    odd_keys: int = 0
    spans: dict[Place, Span] = field(default_factory=dict)


def read(snapshot: Snapshot, *, full: bool = False) -> Contents:
    """Read every file; 8 bytes of memory a row.

    Args:
        snapshot: the version.
        full: read all columns, payloads too; else those of keys and places.
    """
    contents = Contents(files=len(snapshot.files))
    found: list[npt.NDArray[np.uint64]] = []
    for file in snapshot.files:
        try:
            wrong = _read_file(snapshot, file, contents, found, full=full)
        except (pa.ArrowException, OSError, KeyError) as error:
            wrong = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if wrong is not None:
            contents.broken[file.path] = wrong
    if found:
        contents.fingerprints = np.concatenate(found)
    return contents


def repeated(snapshot: Snapshot, contents: Contents, most: int = 1000) -> dict[str, list[str]]:
    """Return keys that stand in several rows -> ``topic/partition/offset`` of each; at most so many keys.

    A second look at the files, and only where two rows have one fingerprint.
    """
    ordered = np.sort(contents.fingerprints)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])[:most]
    if not len(twice):
        return {}
    places: dict[str, list[str]] = {}
    for file in snapshot.files:
        if file.path in contents.broken:
            continue
        with snapshot.opened(file) as parquet:
            for batch in parquet.iter_batches(SCAN_ROWS, columns=list(_COLUMNS)):
                regular = _regular(batch)
                suspect = regular.filter(pa.array(np.isin(_fingerprints(regular["dedup_key"]), twice)))
                for row in suspect.to_pylist():
                    where = f"{row['topic']}/{row['partition']}/{row['offset']}"
                    places.setdefault(row["dedup_key"], []).append(where)
    return {key: sorted(where) for key, where in places.items() if len(where) > 1}


def _read_file(
    snapshot: Snapshot, file: ActiveFile, contents: Contents, found: list[npt.NDArray[np.uint64]], *, full: bool
) -> str | None:
    """Read one file; return what is wrong with it."""
    size_bytes = snapshot.size_bytes(file)
    if size_bytes is None:
        return "it is not there"
    if size_bytes != file.size_bytes:
        return f"it has {size_bytes:,} bytes, and {file.size_bytes:,} in the log"
    spans: dict[Place, Span] = {}
    rows = 0
    with snapshot.opened(file) as parquet:
        for batch in parquet.iter_batches(SCAN_ROWS, columns=None if full else list(_COLUMNS)):
            rows += batch.num_rows
            regular = _regular(batch)
            contents.odd_keys += batch.num_rows - regular.num_rows
            found.append(_fingerprints(regular["dedup_key"]))
            for place, span in _spans(batch).items():
                spans[place] = span.with_(spans[place]) if place in spans else span
    contents.rows += rows
    for place, span in spans.items():
        contents.spans[place] = span.with_(contents.spans[place]) if place in contents.spans else span
    if file.rows is not None and rows != file.rows:
        return f"it has {rows:,} rows, and {file.rows:,} in the log"
    return _outside(file, spans)


def _outside(file: ActiveFile, spans: dict[Place, Span]) -> str | None:
    """Tell whether rows lie outside of the log's statistics, by which readers and a catch-up skip files."""
    held: dict[str, tuple[Any, Any]] = (
        {
            "topic_id": (min(topic_id for _, topic_id, _ in spans), max(topic_id for _, topic_id, _ in spans)),
            "partition": (min(partition for *_, partition in spans), max(partition for *_, partition in spans)),
            "offset": (min(span.first for span in spans.values()), max(span.last for span in spans.values())),
        }
        if spans
        else {}
    )
    for name, (smallest, largest) in held.items():
        low, high = file.bounds.get(name, (smallest, largest))
        if smallest < low or largest > high:
            return f"its {name} goes from {smallest} to {largest}, and in the log from {low} to {high}"
    return None


def _spans(batch: pa.RecordBatch) -> dict[Place, Span]:
    grouped = pa.Table.from_batches([batch]).group_by(["topic", "topic_id", "partition"])
    return {
        (row["topic"], row["topic_id"], row["partition"]): Span(
            row["offset_count"], row["offset_min"], row["offset_max"]
        )
        for row in grouped.aggregate([("offset", "count"), ("offset", "min"), ("offset", "max")]).to_pylist()
    }


def _regular(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows whose key is 64 hex digits."""
    is_key = pc.match_substring_regex(batch["dedup_key"], f"^[0-9a-f]{{{_KEY_LENGTH}}}$")
    return batch if pc.all(is_key).as_py() else batch.filter(is_key)


def _fingerprints(keys: pa.Array) -> npt.NDArray[np.uint64]:
    digits = "".join(pc.utf8_slice_codeunits(keys, 0, _FINGERPRINT_DIGITS).to_pylist())
    return np.frombuffer(bytes.fromhex(digits), ">u8").astype(np.uint64)
