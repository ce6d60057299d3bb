"""Whether the seen-sets on this host hold exactly the keys of the table, up to the offset that they say they cover."""

import fcntl
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from headrace_consumers.dataset.delta.moves import app_id
from headrace_consumers.dataset.delta.opening import one_line
from headrace_consumers.dataset.delta.store import Store
from headrace_consumers.dataset.delta.table_keys import KeyRows, all_key_rows
from headrace_consumers.dataset.seen.fingerprints import Fingerprints, fingerprints_of_digits
from headrace_consumers.dataset.seen.murmur2 import partitions_of
from headrace_consumers.dataset.upkeep.erasures import ERASURES
from headrace_consumers.doctor.result import Result, note, ok, wrong

__all__ = ["Kept", "judge_kept", "judge_state"]

_FILE: Final = re.compile(r"seen-(\d{1,9})\.duckdb")
_DELETE: Final = "delete the file while no consumer runs: the next start makes it anew from the table"
_ITSELF: Final = "nothing: the next start makes it anew from the table"


@dataclass(frozen=True, slots=True)
class Kept:
    """A partition's seen-set as its file has it.

    Attributes:
        partition: of the topic.
        table_id: the table that it was made from.
        topic_id: the topic's id.
        partitions: how many the topic had.
        erasures: how many of the table it reflects.
        next_offset: its keys cover the partition's rows below; None: it is not whole.
        fingerprints: shape (n,), in no order.
        days: of each the ingest date of its row, days since 1970.
    """

    partition: int
    table_id: str
    topic_id: str
    partitions: int
    erasures: int
    next_offset: int | None
    fingerprints: Fingerprints
    days: np.ndarray[tuple[int], np.dtype[np.int32]]


def judge_state(table: DeltaTable, store: Store, state_path: Path) -> Iterator[Result]:
    """Judge every seen-set below `state_path` that no consumer uses now.

    Args:
        table: delta-rs' handle.
        store: of the table.
        state_path: dataset.state_path.
    """
    looked = False
    for folder in sorted(state_path.glob("member-*")):
        with _locked(folder) as is_ours:
            if not is_ours:
                looked = True
                yield note(f"seen-set {folder}", "not looked at: a consumer uses it", "stop it to compare")
                continue
            for path in sorted(folder.iterdir()):
                if match := _FILE.fullmatch(path.name):
                    looked = True
                    yield _judge_file(table, store, path, int(match[1]))
    if not looked:
        yield note("seen-set", f"none in {state_path}", "nothing, if the consumers run on other hosts")


def _judge_file(table: DeltaTable, store: Store, path: Path, partition: int) -> Result:
    try:
        kept = _read(path, partition)
    except (duckdb.Error, ValueError) as error:
        return note(f"seen-set {path}", f"it cannot be read ({one_line(error)})", _ITSELF)
    return judge_kept(str(path), kept, table, store)


def judge_kept(name: str, kept: Kept, table: DeltaTable, store: Store) -> Result:
    """Judge one seen-set; reads all keys of the table.

    Args:
        name: of its file.
        kept: what is in it.
        table: delta-rs' handle.
        store: of the table.
    """
    check = f"seen-set {name}"
    position = table.transaction_version(app_id(kept.topic_id, kept.partition)) or 0
    if kept.table_id != str(table.metadata().id):
        return note(check, "it was made from another table", _ITSELF)
    if kept.next_offset is None:
        return note(check, "it is not whole: a rebuild was interrupted", _ITSELF)
    if kept.erasures != (table.transaction_version(ERASURES) or 0):
        return note(check, "an erasure took rows since it was written", _ITSELF)
    if kept.next_offset > position:
        return note(check, f"it is ahead of the table ({kept.next_offset} > {position})", _ITSELF)
    expected, ahead, oldest_day = _expected(kept, table, store)
    found = np.unique(kept.fingerprints)
    if lacking := len(np.setdiff1d(expected, found, assume_unique=True)):
        return wrong(check, f"it lacks {lacking:,} keys of the table: copies of them would become rows again", _DELETE)
    surplus = np.isin(kept.fingerprints, np.concatenate([expected, ahead]), invert=True)
    newer = int((surplus & (kept.days >= oldest_day)).sum())
    if newer:
        return wrong(check, f"{newer:,} of its keys are in no row: such records would be lost as copies", _DELETE)
    if older := int(surplus.sum()):
        return note(
            check,
            f"{older:,} of its keys are of rows that the table holds no more, being too old",
            "nothing, or delete it",
        )
    behind = f", {position - kept.next_offset:,} offsets behind it" if kept.next_offset < position else ""
    return ok(check, f"its {len(found):,} keys are those of the table{behind}")


def _expected(kept: Kept, table: DeltaTable, store: Store) -> tuple[Fingerprints, Fingerprints, int]:
    """Return what it should hold, sorted; what it may hold besides; and the day of the oldest row in the table.

    It may hold keys of rows from its watermark on: the table went on while it was being read. They are in the table,
    so nothing is lost by them.
    """
    parts, later = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    oldest_day = 2**31
    for rows in all_key_rows(table, store):
        digits = rows.digits
        is_own = rows.were_read_from(kept.topic_id, kept.partition)
        belongs = (partitions_of(digits, kept.partitions) == kept.partition) | is_own
        is_later = is_own & _from(rows, kept.next_offset or 0)
        parts.append(fingerprints_of_digits(digits[belongs & ~is_later]))
        later.append(fingerprints_of_digits(digits[is_later]))
        oldest_day = min(oldest_day, rows.day)
    return np.unique(np.concatenate(parts)), np.concatenate(later), oldest_day


def _from(rows: KeyRows, offset: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return np.asarray(pc.greater_equal(rows.rows["offset"], pa.scalar(offset, pa.int64())).to_numpy(), np.bool_)


def _read(path: Path, partition: int) -> Kept:
    """Return what is in a file; duckdb's errors pass through."""
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        ((table_id, topic_id, partitions, erasures, next_offset),) = connection.execute(
            "select table_id, topic_id, partitions, erasures, next_offset from origin"
        ).fetchall()
        columns = connection.execute("select day, fingerprint from seen").fetchnumpy()
    return Kept(
        partition,
        table_id,
        topic_id,
        partitions,
        erasures,
        next_offset,
        np.asarray(columns["fingerprint"], np.uint64),
        np.asarray(columns["day"], np.int32),
    )


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold a member's folder, so that no consumer takes it meanwhile; tell whether that was possible."""
    try:
        lock = (folder / "lock").open()
    except OSError:  # no consumer has ever been there, or it is another user's
        yield False
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
