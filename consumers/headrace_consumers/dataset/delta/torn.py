"""A last commit that a power cut tore: told from a whole one by itself, and set aside, for nobody has acknowledged it.

A commit counts once its log entry is fsynced; what a power cut tears was never acknowledged, and its batch is read
again. delta-rs cannot open a table whose last entry is half a line, shows the state before one that is empty, and
believes one that was cut at a line's end: its rows would stay while its offsets, the last lines, are gone. So each
commit tells in its first line how many lines follow (`LINES_KEY`).
"""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from headrace_consumers.dataset.delta.store import Sink, fsync_file, fsync_folder, make_private_folder
from headrace_consumers.dataset.delta.table_log import LINES_KEY, UNSYNCED_ENTRIES, checkpoints, log_entries, log_folder
from headrace_consumers.dataset.errors import TableError

__all__ = ["is_readable", "is_whole", "set_torn_aside", "set_torn_checkpoint_aside", "torn_commits"]

log = structlog.get_logger("headrace.dataset")


def is_whole(entry: bytes) -> bool:
    """Tell whether a log entry has all the lines that it was written with."""
    lines = entry.split(b"\n")
    if not lines[-1]:
        lines.pop()  # some writers end the last line too
    try:
        actions = [json.loads(line) for line in lines]
    except ValueError:
        return False
    if not actions or not all(isinstance(action, dict) and action for action in actions):
        return False
    expected = next((a["commitInfo"].get(LINES_KEY) for a in actions if isinstance(a.get("commitInfo"), dict)), None)
    return expected is None or expected == str(len(actions) - 1)


def torn_commits(table: Path) -> dict[int, Path]:
    """Return the versions and paths of the torn entries at the log's end, the last first.

    Raises:
        TableError: an entry is damaged and a later one is whole, so it was no power cut at the last commit.
        OSError: the log cannot be read.
    """
    entries = log_entries(table)
    since = max(checkpoints(table), default=-1)  # what a checkpoint sums up is not read any more
    later = sorted(version for version in entries if version > since)
    damaged = [version for version in later if not is_whole(entries[version].read_bytes())]
    torn = later[len(later) - len(damaged) :]
    if torn != damaged or len(torn) > UNSYNCED_ENTRIES:
        raise TableError(
            f"{entries[damaged[0]]}: this log entry is damaged and not the last, so it cannot be taken "
            "back; restore it from a backup, or go on with a new dataset.path"
        )
    return {version: entries[version] for version in reversed(torn)}


def set_torn_aside(table: Path, torn: Mapping[int, Path]) -> None:
    """Move the torn entries to ``<table>/_torn/``.

    Call it while nobody else has the table open: a member that has read an entry would not notice that it goes.

    Raises:
        OSError: an entry cannot be moved.
    """
    for version, path in torn.items():
        aside = _set_aside(table, path)
        log.warning(
            "torn commit set aside: it was never acknowledged, its records are read again",
            version=version,
            entry=str(aside),
        )


def set_torn_checkpoint_aside(table: Path) -> bool:
    """Move the newest checkpoint to ``<table>/_torn/`` if it cannot be read; tell whether it was.

    Nothing is lost by it: the log entries that it sums up are removed only once it is durable.

    Raises:
        OSError: it cannot be moved.
    """
    found = checkpoints(table)
    if not found:
        return False
    newest = found[max(found)]
    if is_readable(newest):
        return False
    aside = _set_aside(table, newest)
    (log_folder(table) / "_last_checkpoint").unlink(missing_ok=True)  # a hint; the folder is listed without it
    log.warning("torn checkpoint set aside: the log's entries say the same", checkpoint=str(aside))
    return True


def is_readable(checkpoint: Sink) -> bool:
    """Tell whether a checkpoint is whole."""
    try:
        pq.read_table(checkpoint)
    except (pa.ArrowException, OSError):
        return False
    return True


def _set_aside(table: Path, path: Path) -> Path:
    folder = table / "_torn"
    make_private_folder(folder)
    numbers = itertools.count(1)
    target = folder / path.name
    while target.exists():
        target = folder / f"{path.name}.{next(numbers)}"
    path.rename(target)
    fsync_file(target)
    for changed in (folder, path.parent, table):
        fsync_folder(changed)
    return target
